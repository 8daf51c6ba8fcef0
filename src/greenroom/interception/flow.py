"""One request on its way to an agent's provider, and the reply on its way back, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Protocol

import anyio
from msgspec import Struct

from greenroom.interception.errors import ModelError
from greenroom.interception.hold import Hold, Timekeeper, Untimed
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect

_KEPT = 32 * 1024 * 1024
"""Most of a reply that is kept until it is read; of what is beyond, nothing is recorded."""
_AHEAD = 8
"""Pieces the provider may be ahead of the agent."""


class ProviderReply(Struct, frozen=True):
    """A provider's response, as it begins."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Provider(Protocol):
    """Asks an agent's provider."""

    async def ask(self, dialect: Dialect, request: Request, stack: AsyncExitStack) -> ProviderReply:
        """Send ``request``, whose body is bytes, with the owner's key in place of the agent's.

        ``stack`` is given what has to be closed.

        Raises:
            ModelError: There is no response; reading its pieces may raise it too.
        """
        ...

    def quotes_key(self, text: str) -> bool:
        """Whether ``text`` holds the owner's key."""
        ...


class Passed(Struct, frozen=True):
    """A call that was passed on and answered."""

    call: ModelCall
    completion: Completion
    began: float
    """On the event loop's clock."""
    ended: float


class Flow:
    """Carries a reply from the task that asks the provider to the one that answers the agent.

    Args:
        request: What the agent asks.
        call: The same, if it is a call of the model, as far as it could be read.
        timekeeper: Told while the provider holds the request.
    """

    def __init__(self, request: Request, call: ModelCall | None, timekeeper: Timekeeper | None = None) -> None:
        self.request = request
        self.call = call
        self.scope = anyio.CancelScope()
        self.began = anyio.current_time()
        self.kept = bytearray()
        """What the provider has said so far."""
        self.hold = Hold(timekeeper or Untimed())
        self.complete = False
        """Whether it was answered in full."""
        self._head: ProviderReply | ModelError | None = None
        self._begun = anyio.Event()
        self._error: ModelError | None = None
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_AHEAD)

    async def head(self) -> ProviderReply | ModelError:
        """How the reply begins, or why there is none. Bounded by the provider's time."""
        await self._begun.wait()
        if self._head is None:  # pragma: no cover - both are set together
            raise AssertionError
        return self._head

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The reply's body. Raises `ConnectionResetError` where the provider's broke off."""
        with self._receive:
            async for piece in self._receive:
                yield piece
        if self._error is not None:
            raise ConnectionResetError("the provider's reply broke off")

    async def carry(self, reply: ProviderReply) -> None:
        """Pass on all of ``reply``. Raises `anyio.BrokenResourceError` when the agent is gone."""
        self._begin(reply)
        async for piece in reply.pieces:
            if len(self.kept) + len(piece) <= _KEPT:
                self.kept += piece
            await self._deliver(piece, answer=reply.status < HTTPStatus.BAD_REQUEST)

    async def _deliver(self, piece: bytes, *, answer: bool) -> None:
        """An agent that reads slowly takes its own time, not the provider's."""
        if answer:
            self.hold.answered()
        try:
            self._send.send_nowait(piece)
        except anyio.WouldBlock:
            self.hold.wanted(wanted=False)
            try:
                await self._send.send(piece)
            finally:
                self.hold.wanted(wanted=True)

    def leave(self) -> None:
        """The agent is gone, or has all of it. Idempotent."""
        self.scope.cancel()
        self._receive.close()
        self._send.close()

    def end(self, error: ModelError | None) -> None:
        """The provider is done, or gone."""
        self.hold.over()
        self._error = error
        self._begin(error or ModelError("provider", "the agent's provider said nothing"))
        self._send.close()

    def _begin(self, head: ProviderReply | ModelError) -> None:
        if self._head is None:
            self._head = head
            self._begun.set()
