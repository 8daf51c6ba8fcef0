"""Output of a program, in the pieces it comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self


class Chunks:
    """What a reader gets: unlike an async generator, it may be dropped half-way.

    Args:
        chunk: Waits for the next piece; an empty one is the end.
    """

    def __init__(self, chunk: Callable[[], Awaitable[bytes]]) -> None:
        self._chunk = chunk

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self._chunk():
            return chunk
        raise StopAsyncIteration
