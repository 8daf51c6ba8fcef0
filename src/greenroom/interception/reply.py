"""A streamed reply: something at once, something harmless while the answer is awaited, then the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack

from greenroom.interception.dialects import Stream
from greenroom.interception.errors import ModelError, refusal_of
from greenroom.interception.exchange import Ticket


async def steps(stream: Stream, ticket: Ticket, keepalive: float) -> AsyncGenerator[bytes, None]:
    """The pieces of a streamed reply. With the status line out, errors are told within the stream."""
    yield stream.opening()
    while (result := await ticket.pending.wait_for(keepalive)) is None:
        yield stream.keepalive()
    if isinstance(result, ModelError):
        yield stream.error(refusal_of(result))
        return
    yield b"".join(stream.body(result)) + stream.closing()
    # Being asked for more means that the last piece has been taken.
    ticket.sent()


class StreamedReply:
    """The body of a streamed response. However it ends, ``release`` is closed once, by `aclose`."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], release: ExitStack) -> None:
        self._pieces = pieces
        self._release = release

    def __aiter__(self) -> StreamedReply:
        return self

    async def __anext__(self) -> bytes:
        return await self._pieces.__anext__()

    async def aclose(self) -> None:
        """The reader is gone or done."""
        self._release.close()
        await self._pieces.aclose()
