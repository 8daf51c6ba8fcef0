"""Ctrl-C and its relatives: the first one stops the run in order, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import anyio
from anyio.abc import TaskStatus

LIMIT_SECONDS: Final = 60.0
"""An orderly stop that takes longer is ended as a second signal ends it."""
_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interruption:
    """Watches for signals while a run lasts."""

    def __init__(self, first: Callable[[signal.Signals], None], last: Callable[[], None]) -> None:
        """``first`` begins an orderly stop and returns at once; ``last`` tidies the terminal up before the end."""
        self._first = first
        self._last = last
        self.signal: signal.Signals | None = None
        """The first that came."""

    @property
    def exit_status(self) -> int | None:
        """What the shell is told, if there was a signal."""
        return None if self.signal is None else 128 + self.signal

    async def watch(self, *, task_status: TaskStatus[None]) -> None:
        """Wait for signals until cancelled."""
        # Whoever starts us with nohup does not want to hear of the terminal's end.
        heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        with ExitStack() as stack:
            try:
                signals = stack.enter_context(anyio.open_signal_receiver(*heard))
            except NotImplementedError:  # Windows: there Ctrl-C raises where the program is, as everywhere in Python
                task_status.started()
                return await anyio.sleep_forever()
            task_status.started()
            self.signal = await anext(signals)
            self._first(self.signal)
            with anyio.move_on_after(LIMIT_SECONDS):
                await anext(signals)
            self._last()
            # Without any clean-up of ours: sandboxes are made to die with this process, whatever ends it.
            os._exit(128 + self.signal)
