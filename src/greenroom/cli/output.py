"""Standard output, as an engine may use it: a reader that is slow or stopped never holds up the event loop."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import anyio
import anyio.to_thread

from greenroom.cli.streams import WriteFailed, silence


def columns() -> int:
    """How wide a line may be: as the terminal is, or 80."""
    return shutil.get_terminal_size().columns


class OutputClosed(Exception):
    """Standard output takes nothing any more."""


class Output:
    """Writes lines, in order."""

    def __init__(self) -> None:
        self._turn = anyio.CapacityLimiter(1)

    async def line(self, text: str) -> None:
        """Write one line. Raises `OutputClosed`."""
        await self.call(lambda: _write(text))

    async def call(self, write: Callable[[], None]) -> None:
        """Run something that writes. Raises `OutputClosed`."""
        try:
            await anyio.to_thread.run_sync(write, limiter=self._turn, abandon_on_cancel=True)
        except (WriteFailed, OSError, ValueError) as error:
            silence()
            full = isinstance(error, WriteFailed) and not error.broken
            raise OutputClosed(str(error) if full else "standard output was closed") from error


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
