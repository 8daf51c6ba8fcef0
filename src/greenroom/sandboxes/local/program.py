"""A program that runs in a local sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import anyio

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.chunks import Chunks
from greenroom.sandboxes.local.tail import Tail
from greenroom.sandboxes.local.wire import Pipe

_LEFTOVER = 1 << 20


class Keeping(Protocol):
    """What a program needs of its sandbox."""

    async def answer(self, pipe: Pipe) -> dict[str, Any]:
        """The keeper's answer, or the reason there will be none, raised."""
        ...

    async def kill(self, job: int) -> None:
        """Kill a job with all its descendants."""
        ...

    def remaining(self) -> float:
        """Seconds after which nothing inside can still be running."""
        ...

    def forget(self, program: Program) -> None:
        """The program holds nothing any more."""
        ...


class Program:
    """One job of a keeper: a pipe for its output, a pipe for its exit."""

    def __init__(self, keeping: Keeping, job: int, output: Pipe, report: Pipe) -> None:
        self._keeping = keeping
        self._job = job
        self._output = output
        self._report = report
        self._code: int | None = None
        self._turn = anyio.Lock()

    def output(self) -> AsyncIterator[bytes]:
        """Standard output and error as they come. For one reader, who may stop at any time."""
        return Chunks(self._chunk)

    async def wait(self) -> int:
        """Exit code as the keeper reports it; the end of the output says nothing about it."""
        async with self._turn:
            if self._code is None:
                answer = await self._keeping.answer(self._report)
                if "exit" not in answer:
                    raise SandboxError("not_started", "the program could not be started", str(answer))
                self._code = int(answer["exit"])
                self._report.close()
        return self._code

    async def kill(self) -> None:
        """End it and all it has started, whatever they did to get away; returns when they are gone."""
        await self._keeping.kill(self._job)

    async def collect(self, tail: Tail) -> None:
        """Wait, and have what is written until then in ``tail``, even when descendants keep the output open."""
        failure: SandboxError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fill, tail)
            try:
                await self.wait()
            except SandboxError as error:  # raised inside, it would leave the task group as a group
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        self.drain(tail)

    def drain(self, tail: Tail) -> None:
        """Take what has arrived already; a bounded amount, since somebody may still be writing."""
        taken = 0
        while taken < _LEFTOVER and (chunk := self._output.read_nowait()):
            taken += len(chunk)
            tail.add(chunk)

    def close(self) -> None:
        """Let go of the pipes. The program itself goes on."""
        self._output.close()
        self._report.close()
        self._keeping.forget(self)

    async def _fill(self, tail: Tail) -> None:
        while chunk := await self._chunk():
            tail.add(chunk)

    async def _chunk(self) -> bytes:
        chunk = b""
        with anyio.move_on_after(self._keeping.remaining()):
            try:
                chunk = await self._output.read()
            except anyio.ClosedResourceError:
                return b""
        if not chunk:
            self._output.close()
        return chunk
