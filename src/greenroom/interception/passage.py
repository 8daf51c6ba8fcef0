"""A passage: an agent's requests go to its own provider as they are, and greenroom reads along.

Nothing is joined, replayed or mended here. What keeps an agent within its bounds stays: its key, the paths of its
dialects and no others, how much it may ask at once, how many turns it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from http import HTTPStatus
from typing import Any

import anyio

from greenroom.interception.completion import OUT_OF_CALLS
from greenroom.interception.dialects import Dialect, Operation
from greenroom.interception.errors import (
    UNANSWERABLE,
    UNAVAILABLE,
    DialectError,
    ModelError,
    Refusal,
    RefusedError,
    refusal_of,
)
from greenroom.interception.flow import Flow, Passed, Provider, ProviderReply
from greenroom.interception.hold import Timekeeper
from greenroom.interception.replies import read
from greenroom.interception.reply import StreamedReply
from greenroom.interception.verdict import overflows
from greenroom.interception.wire import Request, Response
from greenroom.messages import ModelCall

Start = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
"""Runs something in a task that somebody owns."""

_SHOWN = 256 * 1024
_KEY_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Passage:
    """One attempt's way to its provider.

    Args:
        provider: Who is asked.
        recorded: Told of each call that was answered in full.
        ready: Waits while calls are held back.
        max_turns: Calls the agent may make; ``None``: as many as it likes.
        in_flight: Requests that are passed on at once; more are held.
        timekeeper: Told while the provider holds requests.
    """

    def __init__(
        self,
        provider: Provider,
        recorded: Callable[[Passed], None],
        ready: Callable[[], Awaitable[None]],
        max_turns: int | None,
        in_flight: int = 16,
        timekeeper: Timekeeper | None = None,
    ) -> None:
        self._provider = provider
        self._recorded = recorded
        self._ready = ready
        self._max_turns = max_turns
        self._timekeeper = timekeeper
        self._slots = anyio.Semaphore(in_flight, fast_acquire=True)
        self._flows: set[Flow] = set()
        self.calls = 0
        """Calls that were answered, or wait to be."""
        self.called = False
        """Whether there ever was a call, whatever became of it."""
        self.truncated = False
        """Whether the agent was ended politely, or told that its conversation is too long."""
        self.fault: ModelError | None = None
        """Why the latest call failed; ``None`` again once one succeeds."""

    @property
    def waiting(self) -> int:
        """Requests that are with the provider."""
        return len(self._flows)

    async def serve(
        self, dialect: Dialect, operation: Operation, request: Request, start: Start, release: ExitStack
    ) -> Response:
        """Answer with what the provider says.

        Args:
            dialect: The agent's.
            operation: What the request is for.
            request: The request; its body is bytes.
            start: Runs what is to outlive this call.
            release: Closed when the response is over; taken over if that is later.

        Raises:
            RefusedError: There is nothing of the provider's to answer with.
        """
        call = _call(dialect, request) if operation.name == "complete" else None
        self.called = self.called or call is not None
        if call is not None and self._max_turns is not None and self.calls >= self._max_turns:
            self.truncated = True
            return _farewell(dialect, call)
        flow = Flow(request, call, self._timekeeper)
        self._flows.add(flow)
        release.callback(self._left, flow)
        self.calls += call is not None
        start(lambda: self._run(dialect, flow))
        head = await flow.head()
        if isinstance(head, ModelError):
            raise RefusedError(refusal_of(head))
        if head.status >= HTTPStatus.BAD_REQUEST:
            return await self._failed(dialect, flow, head)
        return Response(status=head.status, headers=head.headers, body=StreamedReply(flow.pieces(), release.pop_all()))

    def close(self) -> None:
        """Hang up on the provider. Idempotent."""
        for flow in self._flows:
            flow.scope.cancel()

    async def _run(self, dialect: Dialect, flow: Flow) -> None:
        error: ModelError | None = ModelError("closed", "the attempt has ended")
        try:
            with flow.scope:
                error = await self._converse(dialect, flow)
        finally:
            flow.end(error)

    async def _converse(self, dialect: Dialect, flow: Flow) -> ModelError | None:
        try:
            async with self._slots, AsyncExitStack() as stack:
                flow.hold.asked()
                await self._ready()
                reply = await self._provider.ask(dialect.name, flow.request, stack)
                await flow.carry(reply)
                self._passed(dialect, flow, reply)
        except ModelError as error:
            self.fault = error
            return error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return ModelError("left", "the agent hung up")
        return None

    def _passed(self, dialect: Dialect, flow: Flow, reply: ProviderReply) -> None:
        if flow.call is None or reply.status >= HTTPStatus.BAD_REQUEST:
            return
        self.fault = None
        flow.complete = True
        completion = read(dialect.name, bytes(flow.kept))
        self._recorded(Passed(flow.call, completion, flow.began, anyio.current_time()))

    async def _failed(self, dialect: Dialect, flow: Flow, head: ProviderReply) -> Response:
        try:
            body = b"".join([piece async for piece in flow.pieces()])[:_SHOWN]
        except ConnectionResetError:
            raise RefusedError(UNAVAILABLE) from None
        text = body.decode(errors="replace")
        if overflows(text):
            self.truncated = True
        else:
            self.fault = ModelError("provider", f"the agent's provider answered {head.status}", head.status)
        if head.status in _KEY_REFUSED or self._provider.quotes_key(text):
            # Providers quote the key in these.
            refusal = Refusal(HTTPStatus.BAD_REQUEST, UNANSWERABLE.message)
            return Response(
                status=refusal.status, headers={"content-type": "application/json"}, body=dialect.error(refusal)
            )
        return Response(status=head.status, headers=head.headers, body=body)

    def _left(self, flow: Flow) -> None:
        self._flows.discard(flow)
        flow.leave()
        if flow.call is not None and not flow.complete:
            self.calls -= 1


def _call(dialect: Dialect, request: Request) -> ModelCall:
    """The call, for the record: what we cannot read, the provider may."""
    body = request.body if isinstance(request.body, bytes) else b""
    try:
        return dialect.decode(request, body)
    except DialectError:
        return ModelCall(id="", dialect=dialect.name, model="", messages=())


def _farewell(dialect: Dialect, call: ModelCall) -> Response:
    if not call.stream:
        body = dialect.encode(OUT_OF_CALLS, call)
        return Response(status=200, headers={"content-type": "application/json"}, body=body)
    stream = dialect.stream(call)
    body = b"".join((stream.opening(), *stream.body(OUT_OF_CALLS), stream.closing()))
    return Response(status=200, headers={"content-type": stream.content_type}, body=body)
