"""Requests and responses in the words of HTTP, whatever carries them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

from greenroom.interception.memory import Memory

BodyReader = Callable[[int], Awaitable[bytes]]
"""Reads a body of at most so many bytes; raises `RefusedError` when it is larger, broken or too slow."""


class Request(Struct, frozen=True, kw_only=True):
    """One request of an agent."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes | BodyReader = b""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    memory: Memory | None = None
    """What the attempt said before; ``None`` where that is known elsewhere, at a provider say."""

    def __repr__(self) -> str:
        # The headers, or the query, hold the key.
        return f"<Request {self.method!r} {self.path!r}>"


class Body(Protocol):
    """A response body that comes in pieces. Whoever takes it closes it, read to the end or not."""

    def __aiter__(self) -> Body:
        """Itself."""
        ...

    async def __anext__(self) -> bytes:
        """The next piece, or `StopAsyncIteration`."""
        ...

    async def aclose(self) -> None:
        """The reader is gone or done. Idempotent."""
        ...


class Response(Struct, frozen=True, kw_only=True):
    """What an agent gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Body = b""

    async def read(self) -> bytes:
        """The whole body; what an in-memory client calls."""
        if isinstance(self.body, bytes):
            return self.body
        try:
            return b"".join([piece async for piece in self.body])
        finally:
            await self.body.aclose()
