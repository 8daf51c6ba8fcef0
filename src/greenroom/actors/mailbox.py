"""The mailbox: the model calls of one attempt.

Its route lets the agent in. Each call is forwarded to the model in a job of its own, so the mailbox never waits; the
turn is recorded once, on the way back. When the caller hangs up, the model's work on it is cancelled. The books are
closed when the agent is dead: its key is worth nothing from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from traceback import format_tb

import anyio
import structlog
from msgspec import Struct

from greenroom.actors._boundary import Failure, failure_of
from greenroom.actors.events import TurnRecorded
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.stage import RouteOpened, Stage
from greenroom.interception.completion import AnswerError, unusable
from greenroom.interception.errors import ModelError
from greenroom.interception.flow import Passed
from greenroom.interception.host import Host, Pass, allowed
from greenroom.interception.passage import Passage
from greenroom.interception.routes import Route
from greenroom.kernel import Actor, Call, CallError, Exit, Reply, on
from greenroom.messages import Completion, ModelCall
from greenroom.messages.trajectory import Recorder

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
    called: bool
    """Whether there ever was a call, answered or not."""
    requests: int
    """Requests of any kind."""


class Ask(Call[Completion], frozen=True):
    """Answer one model call. Fails with `ModelError`."""

    call: ModelCall


class GetKey(Call[Key], frozen=True):
    """The key with which the agent gets in."""


class CloseBooks(Call[Ledger], frozen=True):
    """The agent is dead: revoke its key, cancel what it still waited for, and say what its model calls amount to."""


class MailboxView(Struct, frozen=True):
    """What an observer sees."""

    pending: tuple[int, ...]
    """Indexes of the calls that wait for the model."""
    turns: int
    failed: int


class _Answered(Struct, frozen=True):
    number: int
    result: Completion | ModelError
    passes: tuple[Pass, ...] = ()


class _CallerGone(Struct, frozen=True):
    number: int


class _Pending(Struct, frozen=True, eq=False):
    call: ModelCall
    reply: Reply[Completion]
    cancel: Callable[[], None]
    """Ends the model's work on it."""


class Mailbox(Actor):
    """Holds the pending model calls of an attempt."""

    route: Route

    def __init__(self, stage: Stage, plan: AttemptPlan) -> None:
        self.stage = stage
        self.plan = plan
        self.pending: dict[int, _Pending] = {}
        self.recorder = Recorder()
        self.failed = 0
        self.ledger: Ledger | None = None
        self._numbers = count()
        self._host = Host(self._model, allowed(stage.tools, plan.task.host_tools))

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
            passage=self._passage(),
            timekeeper=plan.clock,
        )
        self.stage.doors.routes[self.ref] = self.route
        self.stage.interception.cast(RouteOpened(self.ref))

    async def stopped(self, exit: Exit) -> None:
        self._close()
        self.stage.doors.routes.pop(self.ref, None)
        # Both know this actor: without them it is freed at once, and the collector has nothing to look for.
        del self._host, self.route

    def observe(self) -> MailboxView:
        return MailboxView(tuple(self.pending), len(self.recorder), self.failed)

    @on(GetKey)
    def get_key(self, _: GetKey) -> Key:
        return Key(self.route.key)

    @on(CloseBooks)
    def close_books(self, _: CloseBooks) -> Ledger:
        if self.ledger is None:
            self._settle()
            fault = self.route.fault
            self.ledger = Ledger(
                turns=len(self.recorder),
                used_up=self.route.truncated,
                failure=None if fault is None else failure_of(fault, "agent"),
                called=self.route.called,
                requests=self.route.counters.requests,
            )
            self._close()
        return self.ledger

    @on(Ask)
    def ask(self, message: Ask) -> Reply[Completion]:
        number = next(self._numbers)
        reply: Reply[Completion] = self.defer(abandoned=_CallerGone(number))
        job = self.run(self._forward(number, message.call), then=lambda answered: answered, name=f"call {number}")
        self.pending[number] = _Pending(message.call, reply, job.cancel)
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
            for one in message.passes:
                self._record(one)
            pending.reply.send(message.result)

    @on(Passed)
    def passed(self, message: Passed) -> None:
        self._record(message)

    async def _serve(self, call: ModelCall) -> Completion:
        """Called by the interception, in a task of its own."""
        left = self.plan.budget.seconds(anyio.current_time())
        try:
            return await self.ref.call(Ask(call), timeout=left)
        except CallError as error:
            raise ModelError("closed", "the attempt has ended") from error

    async def _forward(self, number: int, call: ModelCall) -> _Answered:
        try:
            completion, passes = await self._host(call)
            return _Answered(number, completion, tuple(passes))
        except ModelError as error:
            return _Answered(number, error)
        except AnswerError as error:
            _log.error("model_answer_unusable", error=str(error), call=call.id)
            return _Answered(number, unusable(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the user's model
            # The text of a foreign exception may hold anything, keys included; its type does not.
            at = format_tb(error.__traceback__)[-1:]
            _log.error("model_raised", error=type(error).__name__, at=at, call=call.id)
            return _Answered(number, ModelError("crashed", f"the model raised {type(error).__name__}"))

    async def _model(self, call: ModelCall) -> Completion:
        with anyio.CancelScope(deadline=self.plan.budget.agent_ends):
            await self.stage.valve.passed()
            return await self.stage.model(call)
        raise ModelError("timeout", "the attempt's time was up before there was an answer")

    def _passage(self) -> Passage | None:
        if self.stage.provider is None:
            return None
        return Passage(
            self.stage.provider,
            self.ref.cast,
            self.stage.valve.passed,
            self.plan.task.max_turns,
            turnstile=getattr(self.stage.provider, "turnstile", None),
            rollout_id=self.plan.rollout_id,
            ends=self.plan.budget.agent_ends,
            timekeeper=self.plan.clock,
        )

    def _settle(self) -> None:
        """Answers that the agent got whole, though its provider has not ended them yet, are turns too."""
        for passed in () if self.route.passage is None else self.route.passage.settle():
            self._record(passed)

    def _record(self, one: Pass | Passed) -> None:
        turn = self.recorder.record(
            one.call.messages, one.completion, started=one.began - self.plan.began, seconds=one.ended - one.began
        )
        self.plan.rollout.cast(TurnRecorded(self.plan.number, turn))

    def _close(self) -> None:
        self.stage.routes.close(self.route)
        desk = self.stage.desk_of(self.plan.rollout_id)
        if desk is not None:
            desk.close()
