"""The rollout: makes attempts until one counts, within one deadline, and gives exactly one outcome to its run.

It supervises its attempts and never restarts one: what follows from an attempt's end is `decision`'s judgement.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import structlog
from msgspec import Struct

from greenroom.actors._boundary import failure_of_exit
from greenroom.actors._notes import Notes
from greenroom.actors.account import account
from greenroom.actors.board import Board, RolloutRow
from greenroom.actors.budget import Budget, share
from greenroom.actors.clock import Clock
from greenroom.actors.decision import Ending, Verdict, decide, may_retry, wait_before_retry, without_time
from greenroom.actors.events import (
    AgentEnded,
    AgentSaid,
    ArtifactsTaken,
    CommandRan,
    GetTurns,
    PhaseEntered,
    SandboxBooted,
    Scored,
    TurnRecorded,
)
from greenroom.actors.meter import Times
from greenroom.actors.outcome import outcome_of
from greenroom.actors.plan import AttemptPlan, RolloutPlan
from greenroom.actors.rollouts import AttemptBooted, AttemptEnded, MayRetry
from greenroom.kernel import CallError, ChildSpec, Down, Exit, Ref, Shutdown, StartFailed, Supervisor, on
from greenroom.messages import AttemptRecord, Outcome, Turn

_log = structlog.get_logger(__name__)

AttemptMaker = Callable[[AttemptPlan], ChildSpec]
"""Makes the tree of one attempt."""


class Cancel(Struct, frozen=True):
    """End with an outcome that says ``cancelled``, for this reason."""

    reason: str


class Finished(Struct, frozen=True):
    """To the run: this is what became of the rollout."""

    outcome: Outcome


class _Begin(Struct, frozen=True):
    pass


class _Again(Struct, frozen=True):
    """It is time for another attempt."""


class _NoMore(Struct, frozen=True):
    """Another attempt makes no sense."""


class _DeadlinePassed(Struct, frozen=True):
    pass


class _AttemptOver(Struct, frozen=True):
    number: int
    exit: Exit


class Rollout(Supervisor):
    """One task and sample, from admission to outcome."""

    budget: Budget

    def __init__(self, plan: RolloutPlan, agent: str, board: Board, run: Ref, make_attempt: AttemptMaker) -> None:
        super().__init__(strategy="dynamic")
        self.plan = plan
        self.agent = agent
        self.board = board
        self.submitter = run
        self.make_attempt = make_attempt
        self.began = 0.0
        self.notes: Notes | None = None
        """On the attempt that runs."""
        self.records: list[AttemptRecord] = []
        self.unsafe: tuple[str, ...] = ()
        self.verdict: Verdict | None = None
        """On the last attempt that ended."""
        self.first = 0.0
        """Seconds that the first attempt's agent had, or could have had; 0 before the first attempt."""
        self.before = 0.0
        """Seconds that went by in the last attempt that came so far before its agent was started."""
        self.waited = 0.0
        """Seconds that were not counted against agents because their model's side held their calls."""
        self.late = False
        self.cancelled: str | None = None

    async def started(self) -> None:
        self.began = anyio.current_time()
        self.budget = share(self.plan.task, self.plan.seconds, self.began)
        self.board.rows[self.plan.rollout_id] = self.row
        self.monitor(self.submitter)
        self.after(self.budget.work_ends - self.began, _DeadlinePassed())
        self.ref.cast(_Begin())

    async def stopped(self, exit: Exit) -> None:
        self.board.rows.pop(self.plan.rollout_id, None)
        await super().stopped(exit)

    def row(self) -> RolloutRow:
        """A line of the board."""
        notes = self.notes
        return RolloutRow(
            rollout_id=self.plan.rollout_id,
            task_id=self.plan.task.id,
            sample=self.plan.sample,
            phase=notes.phase if notes else None,
            attempt=notes.number if notes else len(self.records),
            turns=len(notes.turns) if notes else 0,
            seconds=anyio.current_time() - self.began,
            restarts=len(self.records),
            group=self.plan.group,
            model_seconds=notes.clock.times.model if notes else 0.0,
        )

    # Attempts.

    @on(_Begin)
    async def begin(self, _: _Begin) -> None:
        now = anyio.current_time()
        number = len(self.records) + 1
        if self._too_late(now):
            self.no_more(_NoMore())
            return
        clock = Clock(self.plan.model_wait, max(0.0, self.plan.model_wait - self.waited))
        plan = AttemptPlan(
            rollout_id=self.plan.rollout_id,
            task=self.plan.task,
            sample=self.plan.sample,
            number=number,
            began=now,
            budget=self.budget,
            rollout=self.ref,
            clock=clock,
            model_wait=self.plan.model_wait,
            first=self.first,
            fair=self._fair(),
        )
        self.first = self.first or self.budget.agent_seconds(now)
        self.notes = Notes(number=number, began=now, since=now, clock=clock, trainable=self.plan.trainable)
        try:
            await self.start_child(self.make_attempt(plan))
        except StartFailed as failed:
            self.ref.cast(_AttemptOver(number, failed.exit))

    def child_ended(self, id: str, exit: Exit) -> None:
        # Behind all that the attempt's actors have told before they ended.
        if self.notes is not None:
            self.ref.cast(_AttemptOver(self.notes.number, exit))

    @on(_AttemptOver)
    def attempt_over(self, message: _AttemptOver) -> None:
        notes = self._notes_on(message.number)
        if notes is None:
            return
        now = anyio.current_time()
        self.verdict = verdict = decide(self._ending(notes, message.exit))
        self.records.append(notes.record(verdict, now))
        self._learn(notes)
        self.unsafe = notes.unsafe or self.unsafe
        worked = bool(notes.turns) or verdict.cause == "finished"
        self.parent.cast(AttemptEnded(self.plan.rollout_id, verdict.fault, worked))
        self.notes = None
        left = self._fair_until() - now
        wait = wait_before_retry(verdict, notes.number, self.plan.attempts, left, self.system.random.random())
        if wait is not None:
            self._log_retry(verdict, notes.number, wait)
            self.after(wait, _Again())
        elif may_retry(verdict, notes.number, self.plan.attempts):
            self._finish(without_time(verdict, self._short(now)))
        else:
            self._finish(verdict)

    def _learn(self, notes: Notes) -> None:
        """What the attempt that ended says about the time that another one would need."""
        self.waited += notes.clock.times.excused
        if notes.clock.limit is not None:
            self.before = notes.timings.get("boot", 0.0) + notes.timings.get("setup", 0.0)
            self.first = notes.clock.limit if notes.number == 1 else self.first

    def _fair(self) -> float:
        """Seconds that the next attempt must have for its agent; 0 for the first one."""
        return self.budget.fair_seconds(self.first, self.plan.task.retry_with)

    def _fair_until(self) -> float:
        """When the next attempt has to begin."""
        return self.budget.fair_until(self._fair(), self.before)

    def _too_late(self, now: float) -> bool:
        """Whether an attempt that begins now would not be a fair one. The first one always is."""
        return bool(self.first) and now >= self._fair_until()

    def _short(self, now: float) -> str:
        """Why there is no time for a fair attempt."""
        left = max(0.0, self.budget.agent_ends - self.before - now)
        where = account(self.budget, now - self.began, {}, ("verify", "cleanup"))
        return (
            f"its agent would have less than {self._fair():.1f} s of the {self.first:.1f} s that the first one's had; "
            f"the deadline of {self.budget.shares.deadline:g} s leaves {left:.1f} s ({where})"
        )

    def _log_retry(self, verdict: Verdict, attempt: int, wait: float) -> None:
        why = f"{verdict.fault.kind}: {verdict.fault.message}" if verdict.fault else ""
        told = {"rollout": self.plan.rollout_id, "attempt": attempt, "cause": verdict.cause, "why": why}
        _log.info("attempt_failed", **told, again_in=round(wait, 1))

    @on(_Again)
    def again(self, _: _Again) -> None:
        self.run(self._ask(), then=lambda answer: answer, name="ask for another attempt")

    async def _ask(self) -> _Begin | _NoMore:
        """Whoever admits knows whether what it needs works at the moment, and waits if it does not."""
        try:
            left = max(0.0, self._fair_until() - anyio.current_time())
            return _Begin() if await self.parent.call(MayRetry(self.plan.rollout_id), timeout=left) else _NoMore()
        except CallError:
            return _NoMore()

    @on(_NoMore)
    def no_more(self, _: _NoMore) -> None:
        if self.verdict is not None:
            now = anyio.current_time()
            self._finish(without_time(self.verdict, self._short(now)) if self._too_late(now) else self.verdict)

    @on(_DeadlinePassed)
    async def deadline_passed(self, _: _DeadlinePassed) -> None:
        self.late = True
        await self._cut_short()

    @on(Cancel)
    async def cancel(self, message: Cancel) -> None:
        self.cancelled = self.cancelled or message.reason
        await self._cut_short()

    @on(Down)
    def run_gone(self, _: Down) -> None:
        # Nobody is left who could take the outcome.
        self.stop(Shutdown("its run has ended"))

    async def _cut_short(self) -> None:
        """Stop the attempt that runs. What it has told until then is read first, and counts."""
        if self.notes is not None:
            # What takes longer goes on while this rollout ends, and then with the reaper; the outcome does not wait.
            with anyio.move_on_after(self.budget.cleanup_seconds(anyio.current_time())):
                await self.stop_child(_attempt_id(self.notes.number))
            self.ref.cast(_AttemptOver(self.notes.number, Shutdown()))
        elif self.verdict is not None and self.cancelled is None:
            self._finish(self.verdict)
        else:
            self._finish(decide(self._ending(None, Shutdown())))

    def _ending(self, notes: Notes | None, exit: Exit) -> Ending:
        phase = notes.phase if notes else "boot"
        return Ending(
            phase=phase,
            agent=notes.agent if notes else None,
            score=notes.score if notes else None,
            failure=failure_of_exit(exit, phase),
            deadline=self.late,
            cancelled=self.cancelled,
            account=self._account(notes),
            seconds=(notes.clock.limit or 0.0) if notes else 0.0,
            times=notes.clock.stop() if notes else Times(),
        )

    def _account(self, notes: Notes | None) -> str:
        now = anyio.current_time()
        began = notes.began if notes else now
        whole = self.budget.shares.deadline
        return (
            f"{whole:g} s: {account(self.budget, began - self.began, notes.spent(now) if notes else {}, ('cleanup',))}"
        )

    def _finish(self, verdict: Verdict) -> None:
        now = anyio.current_time()
        timings = {"queued": self.began - self.plan.queued_at, "total": now - self.began}
        outcome = outcome_of(self.plan, self.agent, verdict, self.records, timings, self.unsafe)
        self.submitter.cast(Finished(outcome))
        self.stop()

    # What an attempt tells.

    @on(PhaseEntered)
    def phase_entered(self, event: PhaseEntered) -> None:
        if notes := self._notes_on(event.attempt):
            notes.enter(event.phase, event.at)

    @on(SandboxBooted)
    def sandbox_booted(self, event: SandboxBooted) -> None:
        if notes := self._notes_on(event.attempt):
            notes.sandbox_id, notes.unsafe = event.sandbox_id, event.unsafe
            self.parent.cast(AttemptBooted(self.plan.rollout_id, anyio.current_time() - notes.began))

    @on(CommandRan)
    def command_ran(self, event: CommandRan) -> None:
        if notes := self._notes_on(event.attempt):
            notes.commands.append(event.result)

    @on(ArtifactsTaken)
    def artifacts_taken(self, event: ArtifactsTaken) -> None:
        if notes := self._notes_on(event.attempt):
            notes.artifacts = event.files

    @on(TurnRecorded)
    def turn_recorded(self, event: TurnRecorded) -> None:
        if notes := self._notes_on(event.attempt):
            notes.turns.append(event.turn)

    @on(GetTurns)
    def get_turns(self, question: GetTurns) -> tuple[Turn, ...]:
        notes = self._notes_on(question.attempt)
        return tuple(notes.turns) if notes else ()

    @on(AgentSaid)
    def agent_said(self, message: AgentSaid) -> None:
        if notes := self._notes_on(message.attempt):
            notes.said.append(message.event)

    @on(AgentEnded)
    def agent_ended(self, event: AgentEnded) -> None:
        if notes := self._notes_on(event.attempt):
            notes.agent = event.end

    @on(Scored)
    def scored(self, event: Scored) -> None:
        if notes := self._notes_on(event.attempt):
            notes.score = event.score

    def _notes_on(self, attempt: int) -> Notes | None:
        return self.notes if self.notes is not None and self.notes.number == attempt else None


def _attempt_id(number: int) -> str:
    return f"attempt-{number}"
