"""Processes that take commands: one JSON object a line, each answered with one.

Needs the standard library alone, as peers speak it in environments of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Fields = dict[str, Any]
HERE = Path(__file__).parent
ENDLESS = 1 << 26
"""Most bytes of a command: ten thousand keys are half a million."""


class Child:
    """A program that serves commands, until it is closed.

    Args:
        argv: The interpreter, the program, and what it is told; never a key.
        env: What its environment has beside ours.
        log: Where its errors go; by default to ours.
    """

    def __init__(self, *argv: str | Path, env: Mapping[str, str] | None = None, log: Path | None = None) -> None:
        self._log = None if log is None else log.open("wb")
        self._process = subprocess.Popen(
            [str(arg) for arg in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'src'}", **(env or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, do: str, **fields: object) -> None:
        """Give a command."""
        pipe = self._process.stdin
        if pipe is None:
            raise RuntimeError("the child has no input")
        pipe.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        pipe.flush()

    def hear(self, seconds: float = 300.0) -> Fields:
        """The answer to the oldest command that has none yet. Raises `ChildError`."""
        pipe = self._process.stdout
        if pipe is None:
            raise RuntimeError("the child has no output")
        if not select.select([pipe], [], [], seconds)[0]:
            raise ChildError(f"no answer within {seconds:g} s")
        line = pipe.readline()
        if not line:
            raise ChildError(f"it ended with exit code {self._process.wait(5)}")
        found: Fields = json.loads(line)
        if "error" in found:
            raise ChildError(found["error"])
        return found

    def ask(self, do: str, seconds: float = 300.0, **fields: object) -> Fields:
        """Give a command and wait for its answer. Raises `ChildError`."""
        self.tell(do, **fields)
        return self.hear(seconds)

    def cpu(self) -> float:
        """CPU seconds of all its threads so far; the clock's number is that of clock_getcpuclockid(3) on Linux."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def wakeups(self) -> int:
        """How often its threads have waited so far."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/status")
        lines = (line for status in threads for line in status.read_text(encoding="ascii").splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def close(self) -> None:
        """End it: by the end of its input, or else by force."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        if self._log is not None:
            self._log.close()


class ChildError(Exception):
    """What a child could not do."""


async def attend(serve: Mapping[str, Callable[[Fields], Awaitable[Fields]]]) -> None:
    """The child's side: answer commands, until there are no more."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=ENDLESS)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            fields: Fields = json.loads(line)
            try:
                answer = await serve[fields["do"]](fields)
            except Exception as error:  # noqa: BLE001 - a boundary: the parent is told, and gives up
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        transport.close()
