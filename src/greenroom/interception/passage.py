"""A passage: an agent's requests go to its own provider as they are, and greenroom reads along.

Nothing is joined, replayed or mended here. What keeps an agent within its bounds stays: its key, the paths of its
dialects and no others, how much it may ask at once, how many turns it has.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack, aclosing
from http import HTTPStatus
from typing import Any

import anyio

from greenroom.interception.backoff import asked_wait
from greenroom.interception.completion import OUT_OF_CALLS
from greenroom.interception.dialects import Dialect, Operation
from greenroom.interception.envelope import complaint
from greenroom.interception.errors import (
    UNANSWERABLE,
    UNAVAILABLE,
    DialectError,
    ModelError,
    Refusal,
    RefusedError,
    refusal_of,
)
from greenroom.interception.finish import ending
from greenroom.interception.flow import Flow, Passed, Provider, ProviderReply
from greenroom.interception.hold import Timekeeper
from greenroom.interception.overflow import overflows
from greenroom.interception.progress import Progress
from greenroom.interception.replies import read
from greenroom.interception.replies.ending import Failed
from greenroom.interception.reply import StreamedReply
from greenroom.interception.session import fingerprint
from greenroom.interception.turnstile import Turn, Turnstile
from greenroom.interception.verdict import passes
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
        turnstile: The provider's, where requests wait while it asks for time.
        rollout_id: Whose requests they are, to the turnstile.
        ends: When requests are given up at the latest, on the event loop's clock.
        timekeeper: Told while the provider holds requests.
    """

    def __init__(
        self,
        provider: Provider,
        recorded: Callable[[Passed], None],
        ready: Callable[[], Awaitable[None]],
        max_turns: int | None,
        in_flight: int = 16,
        *,
        turnstile: Turnstile | None = None,
        rollout_id: str = "",
        ends: float = math.inf,
        timekeeper: Timekeeper | None = None,
    ) -> None:
        self._provider = provider
        self._recorded = recorded
        self._ready = ready
        self._max_turns = max_turns
        self._turnstile = Turnstile() if turnstile is None else turnstile
        self._rollout_id = rollout_id
        self._ends = ends
        self._timekeeper = timekeeper
        self._slots = anyio.Semaphore(in_flight, fast_acquire=True)
        self._flows: set[Flow] = set()
        self._unfinished: set[bytes] = set()
        self.calls = 0
        """Calls that were answered, are being answered, or wait to be."""
        self.called = False
        """Whether there ever was a call, whatever became of it."""
        self.truncated = False
        """Whether the agent was ended politely, or told that its conversation is too long."""
        self.fault: ModelError | None = None
        """Why the latest call failed; ``None`` again once one succeeds."""

    @property
    def waiting(self) -> int:
        """Requests that are with the provider."""
        return sum(not flow.complete for flow in self._flows)

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
        if call is not None and self._used_up(call, request):
            self.truncated = True
            return _farewell(dialect, call)
        flow = Flow(request, call, self._ends, self._timekeeper)
        self._flows.add(flow)
        release.callback(self._left, flow)
        self.calls += call is not None
        start(lambda: self._run(dialect, flow))
        head = await flow.head()
        if isinstance(head, ModelError):
            raise RefusedError(refusal_of(head))
        if head.status >= HTTPStatus.BAD_REQUEST:
            return await self._refused(dialect, flow, head)
        return Response(status=head.status, headers=head.headers, body=StreamedReply(flow.pieces(), release.pop_all()))

    def settle(self) -> list[Passed]:
        """What was answered though the provider has not ended its replies, once the agent is gone."""
        return [passed for flow in self._flows if (passed := self._settled(flow)) is not None]

    def close(self) -> None:
        """Hang up on the provider. Idempotent."""
        for flow in self._flows:
            flow.scope.cancel()

    def _used_up(self, call: ModelCall, request: Request) -> bool:
        """Whether this would be one call too many. One that was begun before and is asked for again counts once."""
        if self._max_turns is None:
            return False
        if (mark := _mark(call, request)) in self._unfinished:
            self._unfinished.discard(mark)
            self.calls -= 1
        return self.calls >= self._max_turns

    async def _run(self, dialect: Dialect, flow: Flow) -> None:
        error: ModelError | None = ModelError("closed", "the attempt has ended")
        try:
            with flow.scope:
                error = await self._converse(dialect, flow)
        finally:
            flow.end(error)
            self._flows.discard(flow)

    async def _converse(self, dialect: Dialect, flow: Flow) -> ModelError | None:
        try:
            async with self._slots, AsyncExitStack() as stack:
                flow.hold.asked()
                await self._ready()
                turn = await stack.enter_async_context(self._turnstile.turn(self._rollout_id, self._ends))
                reply = await self._asked(dialect, flow, turn, stack)
                flow.begin(reply)
                await self._carry(flow, reply, turn)
        except ModelError as error:
            self._blame(flow, error)
            return error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return ModelError("left", "the agent hung up")
        return None

    async def _asked(self, dialect: Dialect, flow: Flow, turn: Turn, stack: AsyncExitStack) -> ProviderReply:
        try:
            reply = await self._provider.ask(dialect.name, flow.request, stack)
        except ModelError as error:
            if error.retryable:
                turn.failed(error)
            raise
        if passes(reply.status):
            turn.failed(_answered(reply.status), asked_wait(reply.headers))
        elif flow.call is None or reply.status >= HTTPStatus.BAD_REQUEST:
            turn.heard()
        else:
            flow.progress = Progress(dialect.name, reply.headers.get("content-type", ""))
        return reply

    async def _carry(self, flow: Flow, reply: ProviderReply, turn: Turn) -> None:
        async with aclosing(reply.pieces) as pieces:
            async for piece in pieces:
                flow.take(piece)
                if flow.progress is not None:
                    self._follow(flow, flow.progress, turn)
                    if self._provider.quotes_key(flow.recent(piece)):
                        raise ModelError("provider", "the agent's provider quoted its key, so its reply was broken off")
                await flow.carry(piece)
        if flow.progress is not None:
            flow.progress.end(flow.kept, whole=not flow.overfull)
            self._follow(flow, flow.progress, turn, ended=True)

    def _follow(self, flow: Flow, progress: Progress, turn: Turn, *, ended: bool = False) -> None:
        """What the provider has said so far means this."""
        if flow.complete or flow.failed:
            return
        if progress.failure is not None:
            self._fell(flow, progress.failure, turn)
        elif progress.over or ended:
            turn.succeeded()
            self._recorded(self._completed(flow))
        elif progress.begun:
            turn.heard()

    def _fell(self, flow: Flow, failure: Failed, turn: Turn) -> None:
        if failure.overflow:
            flow.failed = True
            self.truncated = True
            turn.heard()
            return
        text = f"the agent's provider failed within its answer{failure.word and f': {failure.word}'}"
        error = ModelError("provider", text, failure.status)
        turn.failed(error)
        self._blame(flow, error)

    def _blame(self, flow: Flow, error: ModelError) -> None:
        if flow.call is not None and not flow.complete:
            flow.failed = True
            self.fault = self._turnstile.spent(self._rollout_id) or error

    def _completed(self, flow: Flow) -> Passed:
        call = flow.call
        if call is None:  # pragma: no cover - only replies to calls are followed
            raise AssertionError
        completion = read(call.dialect, bytes(flow.kept))
        found = ending(completion.native_finish_reason)
        self.fault = None
        self.truncated = self.truncated or (found is not None and found.meaning == "context")
        flow.complete = True
        return Passed(call, completion, flow.began, anyio.current_time())

    def _settled(self, flow: Flow) -> Passed | None:
        if flow.progress is None or flow.complete or flow.failed or not flow.progress.left(flow.kept):
            return None
        self._turnstile.forgive(self._rollout_id)
        return self._completed(flow)

    async def _refused(self, dialect: Dialect, flow: Flow, head: ProviderReply) -> Response:
        try:
            body = b"".join([piece async for piece in flow.pieces()])[:_SHOWN]
        except ConnectionResetError:
            raise RefusedError(UNAVAILABLE) from None
        text = body.decode(errors="replace")
        if flow.call is not None and overflows(head.status, complaint(body)):
            self.truncated = True
        else:
            self._blame(flow, _answered(head.status))
        if head.status in _KEY_REFUSED or self._provider.quotes_key(text):
            # Providers quote the key in these.
            refusal = Refusal(HTTPStatus.BAD_REQUEST, UNANSWERABLE.message)
            return Response(
                status=refusal.status, headers={"content-type": "application/json"}, body=dialect.error(refusal)
            )
        return Response(status=head.status, headers=head.headers, body=body)

    def _left(self, flow: Flow) -> None:
        passed = self._settled(flow)
        if passed is not None:
            self._recorded(passed)
        flow.leave()
        if flow.complete:
            return
        self._flows.discard(flow)
        if flow.call is not None and self._max_turns is not None and flow.begun:
            # Whoever reads an answer up to its last words and leaves has it all the same.
            self._unfinished.add(_mark(flow.call, flow.request))
        else:
            self.calls -= flow.call is not None


def _call(dialect: Dialect, request: Request) -> ModelCall:
    """The call, for the record: what we cannot read, the provider may."""
    body = request.body if isinstance(request.body, bytes) else b""
    try:
        return dialect.decode(request, body)
    except DialectError:
        return ModelCall(id="", dialect=dialect.name, model="", messages=())


def _mark(call: ModelCall, request: Request) -> bytes:
    """The same for a call that is asked for again, and for no other."""
    if call.messages or not isinstance(request.body, bytes):
        return fingerprint(call)
    return hashlib.blake2b(request.body, digest_size=16).digest()


def _answered(status: int) -> ModelError:
    return ModelError("provider", f"the agent's provider answered {status}", status, retryable=passes(status))


def _farewell(dialect: Dialect, call: ModelCall) -> Response:
    if not call.stream:
        body = dialect.encode(OUT_OF_CALLS, call)
        return Response(status=200, headers={"content-type": "application/json"}, body=body)
    stream = dialect.stream(call)
    body = b"".join((stream.opening(), *stream.body(OUT_OF_CALLS), stream.closing()))
    return Response(status=200, headers={"content-type": stream.content_type}, body=body)
