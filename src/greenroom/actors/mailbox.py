"""The mailbox: the model calls of one attempt.

Its route lets the agent in. Each call is forwarded to the model in a job of its own, so the mailbox never waits; the
turn is recorded once, on the way back. When the caller hangs up, the model's work on it is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import anyio
import structlog
from msgspec import Struct

from greenroom.actors._boundary import Failure, failure_of
from greenroom.actors.events import TurnRecorded
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.stage import RouteOpened, Stage
from greenroom.interception.errors import ModelError
from greenroom.interception.routes import Route
from greenroom.kernel import Actor, Call, CallError, Exit, Reply, on
from greenroom.messages import ChatMessage, Completion, ModelCall, Turn

_log = structlog.get_logger(__name__)


class Key(Struct, frozen=True):
    """A credential. Never shown."""

    text: str

    def __repr__(self) -> str:
        return "Key(...)"


class Ledger(Struct, frozen=True):
    """The model calls of an attempt, summed up."""

    turns: int
    used_up: bool
    """The agent was ended politely: out of turns, or out of context."""
    failure: Failure | None
    """Why the latest call went unanswered, if it did."""


class Ask(Call[Completion], frozen=True):
    """Answer one model call. Fails with `ModelError`."""

    call: ModelCall


class GetKey(Call[Key], frozen=True):
    """The key with which the agent gets in."""


class GetLedger(Call[Ledger], frozen=True):
    """What the agent's model calls say about it."""


class MailboxView(Struct, frozen=True):
    """What an observer sees."""

    pending: tuple[int, ...]
    """Indexes of the calls that wait for the model."""
    turns: int
    failed: int


class _Answered(Struct, frozen=True):
    number: int
    result: Completion | ModelError


class _CallerGone(Struct, frozen=True):
    number: int


class _Pending(Struct, frozen=True, eq=False):
    call: ModelCall
    reply: Reply[Completion]
    arrived: float
    cancel: Callable[[], None]
    """Ends the model's work on it."""


class Mailbox(Actor):
    """Holds the pending model calls of an attempt."""

    route: Route

    def __init__(self, stage: Stage, plan: AttemptPlan) -> None:
        self.stage = stage
        self.plan = plan
        self.pending: dict[int, _Pending] = {}
        self.turns = 0
        self.failed = 0
        self._numbers = count()
        self._previous: tuple[ChatMessage, ...] = ()

    async def started(self) -> None:
        plan = self.plan
        self.route = self.stage.routes.open(
            self._serve,
            rollout_id=plan.rollout_id,
            task_id=plan.task.id,
            attempt=plan.number,
            sample=plan.sample,
            model=self.stage.model_name,
            max_turns=plan.task.max_turns,
        )
        self.stage.doors.routes[self.ref] = self.route
        self.stage.interception.cast(RouteOpened(self.ref))

    async def stopped(self, exit: Exit) -> None:
        self.stage.routes.close(self.route)
        self.stage.doors.routes.pop(self.ref, None)

    def observe(self) -> MailboxView:
        return MailboxView(tuple(self.pending), self.turns, self.failed)

    @on(GetKey)
    def get_key(self, _: GetKey) -> Key:
        return Key(self.route.key)

    @on(GetLedger)
    def get_ledger(self, _: GetLedger) -> Ledger:
        fault = self.route.fault
        return Ledger(
            turns=self.turns,
            used_up=self.route.truncated,
            failure=None if fault is None else failure_of(fault, "agent"),
        )

    @on(Ask)
    def ask(self, message: Ask) -> Reply[Completion]:
        number = next(self._numbers)
        reply: Reply[Completion] = self.defer(abandoned=_CallerGone(number))
        job = self.run(self._forward(number, message.call), then=lambda answered: answered, name=f"call {number}")
        self.pending[number] = _Pending(message.call, reply, anyio.current_time(), job.cancel)
        return reply

    @on(_CallerGone)
    def caller_gone(self, message: _CallerGone) -> None:
        pending = self.pending.pop(message.number, None)
        if pending is not None:
            pending.cancel()

    @on(_Answered)
    def answered(self, message: _Answered) -> None:
        pending = self.pending.pop(message.number, None)
        if pending is None:
            return  # the caller went away while the answer was on its way
        if isinstance(message.result, ModelError):
            self.failed += 1
            pending.reply.fail(message.result)
        else:
            self._record(pending, message.result)
            pending.reply.send(message.result)

    async def _serve(self, call: ModelCall) -> Completion:
        """Called by the interception, in a task of its own."""
        left = self.plan.budget.seconds(anyio.current_time())
        try:
            return await self.ref.call(Ask(call), timeout=left)
        except CallError as error:
            raise ModelError("closed", "the attempt has ended") from error

    async def _forward(self, number: int, call: ModelCall) -> _Answered:
        try:
            return _Answered(number, await self.stage.model(call))
        except ModelError as error:
            return _Answered(number, error)
        except Exception as error:  # noqa: BLE001 - a boundary: the user's model
            # The text of a foreign exception may hold anything, keys included; its type does not.
            _log.exception("model_raised", call=call.id)
            return _Answered(number, ModelError("crashed", f"the model raised {type(error).__name__}"))

    def _record(self, pending: _Pending, completion: Completion) -> None:
        messages = pending.call.messages
        shared = _shared(self._previous, messages)
        turn = Turn(
            index=self.turns,
            shared=shared,
            messages=messages[shared:],
            completion=completion,
            started=pending.arrived - self.plan.began,
            seconds=anyio.current_time() - pending.arrived,
        )
        self.turns += 1
        self._previous = messages
        self.plan.rollout.cast(TurnRecorded(self.plan.number, turn))


def _shared(before: tuple[ChatMessage, ...], now: tuple[ChatMessage, ...]) -> int:
    """How many leading messages are the same."""
    for index, (old, new) in enumerate(zip(before, now, strict=False)):
        if old != new:
            return index
    return min(len(before), len(now))
