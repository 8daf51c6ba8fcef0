"""One run: takes tasks as fast as there is room, submits them, and gives out exactly one outcome for each.

It monitors every rollout it submitted. Whatever ends a rollout without an outcome, this actor makes the outcome
instead. An outcome is announced once the journal has it. Finished outcomes that nobody fetches hold up the next
submission: that is how a slow consumer slows down everything behind it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from msgspec import Struct

from greenroom.actors._boundary import failure_of_exit, why_ended_early
from greenroom.actors.announcements import Announcements
from greenroom.actors.board import Board
from greenroom.actors.decision import Verdict
from greenroom.actors.estate import Estate, keep_last, leave
from greenroom.actors.journal import Commit, Unstorable
from greenroom.actors.outcome import bare, lost_outcome, outcome_of
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.policy import Cause
from greenroom.actors.rollout import Cancel, Finished
from greenroom.actors.rollouts import Granted, HeldUp, Refused, Submit, Withdraw, Withdrawn
from greenroom.actors.run_requests import Abandon, CancelSome, Drain, Next, Stop
from greenroom.kernel import Actor, CallError, Down, Exit, NotDelivered, Ref, Reply, Shutdown, StartFailed, on
from greenroom.messages import Outcome

RUNS = "runs"
"""The group of all runs that have not ended."""
_AGAIN_SECONDS = 1.0

PlanSource = Callable[[], Awaitable[RolloutPlan | None]]
"""Gives the next rollout to submit; ``None`` after the last. May raise what the user's iterator raises."""


class RunView(Struct, frozen=True):
    """What an observer sees."""

    open: int
    held_up: int
    """Of these, those that wait for limits of their own."""
    committing: int
    ready: int
    """Outcomes that nobody has fetched yet."""
    delivered: int
    stopping: str | None


class _Pulled(Struct, frozen=True):
    plan: RolloutPlan | None
    error: Exception | None = None


class _Submitted(Struct, frozen=True):
    plan: RolloutPlan
    result: Ref | Exception


class _Resubmit(Struct, frozen=True):
    plan: RolloutPlan


class _Committed(Struct, frozen=True):
    outcome: Outcome
    error: Exception | None = None


class _CommitLost(Struct, frozen=True):
    outcome: Outcome


class _CommitAgain(Struct, frozen=True):
    outcome: Outcome


class Run(Actor):
    """Stands between a consumer and the rollouts it asked for."""

    def __init__(
        self,
        source: PlanSource,
        agent: str,
        board: Board,
        rollouts: Ref,
        journal: Ref,
        estate: Estate,
        buffer: int | None = None,
    ) -> None:
        self.source = source
        self.agent = agent
        self.board = board
        self.rollouts = rollouts
        self.journal = journal
        self.estate = estate
        self.buffer = buffer
        """Outcomes that may wait for the consumer; as many as may run at once if it is not said."""
        self.open: dict[str, RolloutPlan] = {}
        """Submitted, and no outcome yet."""
        self.running: dict[Ref, str] = {}
        self.committing: dict[str, Outcome] = {}
        self.ready: deque[Outcome] = deque()
        self.delivered = 0
        self.announcements = Announcements()
        self.pulling = False
        """A task is being fetched."""
        self.asking: set[str] = set()
        """It waits for its turn; no other is fetched meanwhile."""
        self.held_up: set[str] = set()
        """They wait for limits of their own, while others go on."""
        self.exhausted = False
        self._pulling: anyio.CancelScope | None = None
        self.error: Exception | None = None
        self.stopping: str | None = None
        self.unwanted: dict[str, str] = {}
        """Rollouts and groups that were cancelled, and why."""
        self.abandoned = False
        self.consumers: list[Reply[Outcome | None]] = []
        self.drains: list[Reply[None]] = []

    async def started(self) -> None:
        self.join(RUNS)
        self._advance()

    async def stopped(self, exit: Exit) -> None:
        why = why_ended_early(exit, "the run")
        if not why:
            return
        kept = await keep_last(self.journal, self.committing.values(), why)
        # Not written down: a later start of the run runs them again.
        lost = [lost_outcome(plan, self.agent, "rollout_lost", why) for plan in self.open.values()]
        leave(self.estate, self.board, self.delivered, self.ready, [*kept, *lost])

    def observe(self) -> RunView:
        waiting = (len(self.open), len(self.held_up), len(self.committing), len(self.ready))
        return RunView(*waiting, self.delivered, self.stopping)

    # Submitting.

    def _advance(self) -> None:
        """Go on with whatever can go on."""
        if self._may_fetch():
            self.pulling = True
            self._pulling = anyio.CancelScope()  # made here, for it may be cancelled before the first step
            self.run(self._pull(self._pulling), then=lambda pulled: pulled, name="pull")
        self._deliver()
        self._end_if_over()

    def _may_fetch(self) -> bool:
        most = self.board.bounds.concurrency if self.buffer is None else self.buffer
        if self.exhausted or self.pulling or self.asking or len(self.held_up) >= self.board.bounds.queue:
            return False
        return len(self.ready) + len(self.committing) <= most

    async def _pull(self, scope: anyio.CancelScope) -> _Pulled:
        with scope:
            try:
                return _Pulled(await self.source())
            except Exception as error:  # noqa: BLE001 - the user's iterator; raised again at the consumer
                return _Pulled(None, error)
        return _Pulled(None)

    @on(_Pulled)
    def pulled(self, message: _Pulled) -> None:
        self.pulling = False
        if message.plan is None:
            self.exhausted, self.error = True, message.error
            self._advance()
            return
        self.board.submitted += 1
        self.announcements.tell(message.plan)
        self.open[message.plan.rollout_id] = message.plan
        self.asking.add(message.plan.rollout_id)
        self._submit(message.plan)

    @on(HeldUp)
    def rollout_held_up(self, message: HeldUp) -> None:
        if message.rollout_id in self.asking:
            self.asking.remove(message.rollout_id)
            self.held_up.add(message.rollout_id)
            self._advance()

    @on(Granted)
    def rollout_granted(self, message: Granted) -> None:
        self.asking.discard(message.rollout_id)
        self.held_up.discard(message.rollout_id)
        self._advance()

    def _submit(self, plan: RolloutPlan) -> None:
        if self._why_not(plan) is None:
            self.run(self._ask_for_slot(plan), then=lambda submitted: submitted, name=f"submit {plan.rollout_id}")
        else:
            self.ref.cast(_Submitted(plan, Withdrawn()))

    @on(_Resubmit)
    def resubmit(self, message: _Resubmit) -> None:
        self._submit(message.plan)

    async def _ask_for_slot(self, plan: RolloutPlan) -> _Submitted:
        try:
            ref = await self.rollouts.call(Submit(plan, self.ref), timeout=math.inf)
        except (CallError, StartFailed, ValueError, Withdrawn, Refused) as error:
            return _Submitted(plan, error)
        return _Submitted(plan, ref)

    @on(_Submitted)
    def submitted(self, message: _Submitted) -> None:
        plan = message.plan
        match message.result:
            case NotDelivered():
                self.after(_AGAIN_SECONDS, _Resubmit(plan))
                return
            case Withdrawn():
                self._lost(plan.rollout_id, Shutdown())
            case Refused(fault=fault):
                cause: Cause = "agent_not_started" if fault.blame == "agent" else "sandbox_failed"
                self._take(outcome_of(plan, self.agent, Verdict(cause=cause, fault=fault)))
            case Exception() as error:
                self._take(lost_outcome(plan, self.agent, "rollout_lost", f"it could not be started: {error}"))
            case ref:
                self._watch(plan, ref)
        self.asking.discard(plan.rollout_id)
        self.held_up.discard(plan.rollout_id)
        self._advance()

    def _watch(self, plan: RolloutPlan, ref: Ref) -> None:
        if plan.rollout_id not in self.open:
            return  # so short that it is over already
        self.running[ref] = plan.rollout_id
        self.monitor(ref)
        reason = self._why_not(plan)
        if reason is not None:
            ref.cast(Cancel(reason))

    def _why_not(self, plan: RolloutPlan) -> str | None:
        """Why it is cancelled, if it is."""
        return self.stopping or self.unwanted.get(plan.rollout_id) or self.unwanted.get(plan.group)

    # Outcomes.

    @on(Finished)
    def finished(self, message: Finished) -> None:
        self._take(message.outcome)

    @on(Down)
    def rollout_gone(self, down: Down) -> None:
        # It comes after all that the rollout sent, so an outcome that is not here will never be.
        rollout_id = self.running.pop(down.ref, None)
        if rollout_id is not None:
            self._lost(rollout_id, down.exit)

    def _lost(self, rollout_id: str, exit: Exit) -> None:
        plan = self.open.get(rollout_id)
        if plan is None:
            return
        reason = self._why_not(plan)
        if isinstance(exit, Shutdown) and reason is not None:
            self._take(lost_outcome(plan, self.agent, "cancelled", reason))
        else:
            found = failure_of_exit(exit, "cleanup", "the rollout").fault
            self._take(lost_outcome(plan, self.agent, "rollout_lost", found.message, found.kind))

    def _take(self, outcome: Outcome) -> None:
        """The first outcome of a rollout is the only one."""
        if self.open.pop(outcome.rollout_id, None) is not None:
            self.unwanted.pop(outcome.rollout_id, None)
            self._commit(outcome)

    def _commit(self, outcome: Outcome) -> None:
        self.committing[outcome.rollout_id] = outcome
        self.run(self._keep(outcome), then=lambda told: told, name=f"commit {outcome.rollout_id}")

    async def _keep(self, outcome: Outcome) -> _Committed | _CommitLost:
        try:
            await self.journal.call(Commit(outcome), timeout=math.inf)
        except CallError:
            return _CommitLost(outcome)
        except Unstorable as error:
            return _Committed(outcome, error)
        return _Committed(outcome)

    @on(_CommitLost)
    def commit_lost(self, message: _CommitLost) -> None:
        # The journal is being restarted. It may have kept the outcome; keeping it twice changes nothing.
        self.after(_AGAIN_SECONDS, _CommitAgain(message.outcome))

    @on(_CommitAgain)
    def commit_again(self, message: _CommitAgain) -> None:
        self._commit(message.outcome)

    @on(_Committed)
    def committed(self, message: _Committed) -> None:
        outcome = message.outcome
        if message.error is not None:
            self._commit(bare(outcome, str(message.error)))
            return
        del self.committing[outcome.rollout_id]
        self.board.count(outcome)
        self.ready.append(outcome)
        self._advance()

    # The consumer.

    @on(Next)
    def next(self, message: Next) -> Reply[Outcome | None]:
        reply: Reply[Outcome | None] = self.defer()
        self.consumers = [*(other for other in self.consumers if not other.abandoned), reply]
        while self.delivered < message.received:
            self.ready.popleft()
            self.delivered += 1
        self._advance()
        return reply

    @on(CancelSome)
    def cancel_some(self, message: CancelSome) -> int:
        chosen = {id for id, plan in self.open.items() if message.name in {id, plan.group}}
        if chosen or "/" in message.name:  # a group may be still to come
            self.unwanted.setdefault(message.name, message.reason)
        for rollout_id in chosen:
            self.rollouts.cast(Withdraw(self.ref, rollout_id))
        for ref, rollout_id in self.running.items():
            if rollout_id in chosen:
                ref.cast(Cancel(message.reason))
        return len(chosen)

    @on(Stop)
    def stop_run(self, message: Stop) -> None:
        self._stop_rollouts(message.reason)

    @on(Abandon)
    def abandon(self, _: Abandon) -> None:
        self.abandoned = True
        self._stop_rollouts("the consumer left")

    @on(Drain)
    def drain(self, _: Drain) -> Reply[None]:
        reply: Reply[None] = self.defer()
        self.drains.append(reply)
        self._end_if_over()
        return reply

    def _stop_rollouts(self, reason: str) -> None:
        if self.stopping is None:
            self.stopping, self.exhausted = reason, True
            if self._pulling is not None:
                self._pulling.cancel()
            for ref in self.running:
                ref.cast(Cancel(reason))
            self.rollouts.cast(Withdraw(self.ref))
        self._advance()

    def _deliver(self) -> None:
        if not (self.ready or self._drained):
            return
        consumers, self.consumers = self.consumers, []
        for consumer in consumers:
            if not self.ready and self.error is not None:
                consumer.fail(self.error)
            else:
                consumer.send(self.ready[0] if self.ready else None)

    @property
    def _drained(self) -> bool:
        return self.exhausted and not (self.pulling or self.open or self.committing)

    def _end_if_over(self) -> None:
        if not self._drained:
            return
        for reply in self.drains:
            reply.send(None)
        self.drains.clear()
        if self.abandoned:
            self.stop()
