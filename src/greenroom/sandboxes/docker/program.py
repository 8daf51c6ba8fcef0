"""A program that runs in a container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol

import aiohttp

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.chunks import Chunks
from greenroom.sandboxes.docker.client import Hijacked
from greenroom.sandboxes.docker.life import Life
from greenroom.sandboxes.local.tail import Tail

_LAST_WORDS_SECONDS = 3.0
"""How long output may go on after the exit; the engine itself cuts it after two."""
_DOUBT_SECONDS = 1.0
"""How long after the end of the output the exit is waited for before it is asked for."""
_DEATH_SECONDS = 0.5
_KILLED = 137
_SUSPICIOUS = frozenset((_KILLED, 126, 127, 128, 255, -1))
"""Exit codes that an engine also gives to programs whose container died, or could not take them any more."""
_OOM = b"\n[greenroom: the sandbox ran out of memory, and the kernel killed a program]\n"


class Keeping(Protocol):
    """What a program needs of its sandbox."""

    life: Life

    async def quiesce(self) -> None:
        """Kill everything that runs."""
        ...

    async def alive(self) -> None:
        """Ask whether the container runs. Raises `SandboxError` if not."""
        ...

    def doubt(self, exec_id: str) -> None:
        """Have somebody ask whether this program still runs."""
        ...

    def forget(self, program: Program) -> None:
        """The program holds nothing any more."""
        ...


class Program:
    """One exec of an engine: a stream for its output, an event for its exit."""

    def __init__(
        self, keeping: Keeping, exec_id: str, stream: Hijacked | None, exit: asyncio.Future[int], words: bytes = b""
    ) -> None:
        self._keeping = keeping
        self._id = exec_id
        self._stream = stream
        self.exit = exit
        """Its exit code, when there is one."""
        self._words = words
        """What is said in the program's place at the end of its output."""
        self._killed = False
        self._said = False
        self._ended = stream is None
        self._doubt: asyncio.TimerHandle | None = None

    def output(self) -> AsyncIterator[bytes]:
        """Standard output and error as they come. For one reader, who may stop at any time."""
        return Chunks(self._chunk)

    async def wait(self) -> int:
        """Exit code, as the engine reports it: 128 + N if signal N ended it. The output's end says nothing about it."""
        life = self._keeping.life
        if not self.exit.done():
            either: set[asyncio.Future[Any]] = {self.exit, life.dead}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self.exit.done() or self.exit.cancelled():
            raise life.dead.result()
        code = self.exit.result()
        if code in _SUSPICIOUS and not self._killed:
            # A container that dies takes its programs along, and they are heard of first.
            if (death := await life.death(_DEATH_SECONDS)) is not None:
                raise death
            await self._keeping.alive()
        return code

    async def kill(self) -> None:
        """End it; in a container that means all that runs beside it, too. Returns when all of it is gone."""
        self._killed = True
        if not self.exit.done():
            await self._keeping.quiesce()

    async def collect(self, tail: Tail) -> int:
        """Wait, with what is written until then in ``tail``, even when others keep the output open."""
        reader = asyncio.create_task(self._fill(tail))
        try:
            code = await self.wait()
            await asyncio.wait({reader}, timeout=_LAST_WORDS_SECONDS)
            return code
        finally:
            reader.cancel()
            await asyncio.wait({reader}, timeout=_LAST_WORDS_SECONDS)

    async def close(self) -> None:
        """Let go of the stream. The program itself goes on."""
        self._ended = True
        if self._doubt is not None:
            self._doubt.cancel()
        if self._stream is not None:
            await self._stream.close()
        self._keeping.forget(self)

    async def _fill(self, tail: Tail) -> None:
        with suppress(SandboxError):
            while chunk := await self._chunk():
                tail.add(chunk)

    async def _chunk(self) -> bytes:
        if self._stream is not None and not self._ended:
            with suppress(aiohttp.ClientError, OSError):
                while (message := await self._stream.read_out()) is not None:
                    if message.data:
                        return message.data
            self._end_of_output()
            # Whether there is more to say is known with the exit, which is about to be heard of.
            either: set[asyncio.Future[Any]] = {self.exit, self._keeping.life.dead}
            await asyncio.wait(either, timeout=_DOUBT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return self._last_words()

    def _end_of_output(self) -> None:
        if not self._ended and not self.exit.done():
            loop = asyncio.get_running_loop()
            self._doubt = loop.call_later(_DOUBT_SECONDS, self._keeping.doubt, self._id)
        self._ended = True

    def _last_words(self) -> bytes:
        words, self._words = self._words, b""
        if not self._said and self._keeping.life.oom and not self._killed and self._was_killed():
            self._said = True
            return _OOM
        return words

    def _was_killed(self) -> bool:
        known = self.exit.done() and not self.exit.cancelled() and self.exit.exception() is None
        return known and self.exit.result() == _KILLED
