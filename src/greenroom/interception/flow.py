"""One request on its way to an agent's provider, and the reply on its way back, piece by piece."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

import anyio
from msgspec import Struct

from greenroom.interception.errors import ModelError
from greenroom.interception.hold import Hold, Timekeeper, Untimed
from greenroom.interception.progress import Progress
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect

_KEPT = 32 * 1024 * 1024
"""Most of a reply that is kept until it is read; of what is beyond, nothing is recorded."""
_AHEAD = 8
"""Pieces the provider may be ahead of the agent."""
_BEFORE = 512
"""Bytes; no key is longer."""
_REST_SECONDS = 1.0
"""How long the provider may take to end its reply once the agent has its answer and is gone."""


class ProviderReply(Struct, frozen=True):
    """A provider's response, as it begins."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncGenerator[bytes, None]


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
        ends: When it is given up at the latest, on the event loop's clock.
        timekeeper: Told while the provider holds the request.
    """

    def __init__(
        self,
        request: Request,
        call: ModelCall | None,
        ends: float = math.inf,
        timekeeper: Timekeeper | None = None,
    ) -> None:
        self.request = request
        self.call = call
        self.scope = anyio.CancelScope(deadline=ends)
        self.began = anyio.current_time()
        self.kept = bytearray()
        """What the provider has said so far."""
        self.overfull = False
        """It has said more than is kept."""
        self.progress: Progress | None = None
        """Follows the reply, if it is one to a call and no refusal."""
        self.hold = Hold(timekeeper or Untimed())
        self.complete = False
        """Whether it was answered in full."""
        self.failed = False
        """Whether the provider failed within its answer."""
        self._head: ProviderReply | ModelError | None = None
        self._headed = anyio.Event()
        self._error: ModelError | None = None
        self._send, self._receive = anyio.create_memory_object_stream[bytes](_AHEAD)

    async def head(self) -> ProviderReply | ModelError:
        """How the reply begins, or why there is none. Bounded by the provider's time."""
        await self._headed.wait()
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

    def begin(self, head: ProviderReply | ModelError) -> None:
        """The reply begins like this, or there is none for this reason. Only the first counts."""
        if self._head is None:
            self._head = head
            self._headed.set()

    def take(self, piece: bytes) -> None:
        """The provider says this."""
        if len(self.kept) + len(piece) <= _KEPT:
            self.kept += piece
        else:
            self.overfull = True
        if self.progress is not None:
            self.progress.feed(piece)
            if self.progress.failure is None:
                self.hold.answered()

    @property
    def begun(self) -> bool:
        """Whether the provider has begun to answer."""
        return self.progress is not None and self.progress.begun and not self.failed

    def recent(self, piece: bytes) -> str:
        """What the provider says with ``piece``, and a little of what came before it."""
        said = piece if self.overfull else self.kept[-len(piece) - _BEFORE :]
        return said.decode(errors="replace")

    async def carry(self, piece: bytes) -> None:
        """Pass it on. Raises `anyio.BrokenResourceError` when the agent is gone without an answer."""
        try:
            await self._deliver(piece)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            if not self.complete:
                raise

    async def _deliver(self, piece: bytes) -> None:
        """An agent that reads slowly takes its own time, not the provider's."""
        try:
            self._send.send_nowait(piece)
        except anyio.WouldBlock:
            self.hold.wanted(wanted=False)
            try:
                await self._send.send(piece)
            finally:
                self.hold.wanted(wanted=True)

    def leave(self) -> None:
        """The agent is gone, or has all of it. Idempotent.

        If it has its answer, the rest is still read for a moment: a connection that was read to the end is used again.
        """
        if self.complete:
            self.scope.deadline = min(self.scope.deadline, anyio.current_time() + _REST_SECONDS)
        else:
            self.scope.cancel()
        self.hold.over()
        self._receive.close()
        self._send.close()

    def end(self, error: ModelError | None) -> None:
        """The provider is done, or gone."""
        self.hold.over()
        self._error = None if self.complete else error
        self.begin(error or ModelError("provider", "the agent's provider said nothing"))
        self._send.close()
