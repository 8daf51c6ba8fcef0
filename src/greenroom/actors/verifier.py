"""The verifier of one attempt: judges what the agent left, once the agent is dead. Its end ends the attempt."""

from __future__ import annotations

import anyio
import structlog
from msgspec import Struct

from greenroom.actors._boundary import Failure, failure, failure_of
from greenroom.actors.agent import AwaitEnd
from greenroom.actors.artifacts import Taken, kept, restore, take
from greenroom.actors.commands import Shell
from greenroom.actors.events import AgentEnd, ArtifactsTaken, CommandRan, GetTurns, PhaseEntered, Score, Scored
from greenroom.actors.judgement import Judgement, unscored
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.policy import POLICY
from greenroom.actors.preparation import Preparation
from greenroom.actors.sandbox import Boot, Shut
from greenroom.actors.scorer import Testimony
from greenroom.actors.uploads import NotPut
from greenroom.kernel import Actor, on
from greenroom.messages import CommandResult, FaultError, Phase
from greenroom.sandboxes.base import Sandbox, SandboxError
from greenroom.specs import TaskSpec

_log = structlog.get_logger(__name__)


class VerifierView(Struct, frozen=True):
    """What an observer sees."""

    waiting: bool
    """The agent has not ended yet."""
    commands: int
    """How many have run."""


class Verifier(Actor):
    """Scores an attempt."""

    def __init__(self, plan: AttemptPlan) -> None:
        self.plan = plan
        self.waiting = True
        self.results: list[CommandResult] = []

    async def started(self) -> None:
        self.run(self._verify(), then=lambda score: score, name="verify")

    def observe(self) -> VerifierView:
        return VerifierView(self.waiting, len(self.results))

    @on(Score)
    def scored(self, score: Score) -> None:
        self.plan.rollout.cast(Scored(self.plan.number, score))
        if score.cause == "scorer_failed" and score.fault is not None:
            who = {"rollout": self.plan.rollout_id, "task": self.plan.task.id}
            _log.info("scorer_failed", **who, error=score.fault.message, traceback=score.fault.detail)
        self._enter("cleanup")
        self.stop()

    async def _verify(self) -> Score:
        task = self.plan.task
        left = self.plan.budget.seconds(anyio.current_time())
        end = await self.sibling("agent").call(AwaitEnd(), timeout=left)
        self.waiting = False
        if not POLICY[end.cause].graded or not (has_verdict(task) or task.artifacts or task.collect):
            return Score()
        self._enter("verify")
        try:
            lent = await self.sibling("sandbox").call(Boot())
            return await self._judge(lent.sandbox, await self._testimony(end))
        except SandboxError as error:
            return unscored(failure_of(error, "verify"))
        except FaultError as error:
            return unscored(failure("verify_setup_failed", error.fault.message, "verify", kind=error.fault.kind))

    async def _testimony(self, end: AgentEnd) -> Testimony:
        if self.plan.task.score is None:
            return Testimony()
        left = self.plan.budget.seconds(anyio.current_time())
        turns = await self.plan.rollout.call(GetTurns(self.plan.number), timeout=left)
        return Testimony(turns, end.log)

    async def _judge(self, sandbox: Sandbox, testimony: Testimony) -> Score:
        """From here on nothing of the agent runs, in whichever sandbox."""
        task = self.plan.task
        taken, refused = await self._take(sandbox)
        if not has_verdict(task):
            return Score()
        if task.verifier == "shared":
            return await self._judgement(sandbox, testimony).judge()
        if refused:
            return unscored(failure("artifacts_refused", "; ".join(refused), "verify"))
        fresh = await self._fresh()
        failed = await self._prepare(fresh) or await _restore(fresh, taken)
        return unscored(failed) if failed else await self._judgement(fresh, testimony).judge()

    async def _take(self, sandbox: Sandbox) -> tuple[list[Taken], list[str]]:
        task = self.plan.task
        shell = self._shell(sandbox)
        for hook in task.collect:
            self._record(await shell.run(hook.command, timeout=hook.timeout))
        taken, refused = await take(sandbox, task.artifacts)
        if files := kept(taken):
            self.plan.rollout.cast(ArtifactsTaken(self.plan.number, files))
        return taken, refused

    async def _fresh(self) -> Sandbox:
        """The verifier's own sandbox; the agent's is gone before it is there."""
        left = self.plan.budget.seconds(anyio.current_time())
        await self.sibling("sandbox").call(Shut(), timeout=left)
        lent = await self.sibling("verifier-sandbox").call(Boot(), timeout=left)
        return lent.sandbox

    async def _prepare(self, sandbox: Sandbox) -> Failure | None:
        task = self.plan.task
        own = task.verify_environment
        shell = self._shell(sandbox)
        preparation = Preparation(
            shell=shell,
            record=self._record,
            environment=own or task.environment,
            cause="verify_setup_failed",
            within=self.plan.budget.within(shell.left, "deadline", None),
        )
        return await preparation.prepare(task if own is None else _bare(task))

    def _judgement(self, sandbox: Sandbox, testimony: Testimony) -> Judgement:
        return Judgement(self.plan.task, sandbox, self.plan.budget, self._record, testimony)

    def _shell(self, sandbox: Sandbox) -> Shell:
        """For what has to be done before the verify commands: whatever time there is."""
        return Shell(sandbox, "verify", self.plan.budget.work_ends)

    def _record(self, result: CommandResult) -> None:
        self.results.append(result)
        self.plan.rollout.cast(CommandRan(self.plan.number, result))

    def _enter(self, phase: Phase) -> None:
        self.plan.rollout.cast(PhaseEntered(self.plan.number, phase, anyio.current_time()))


def has_verdict(task: TaskSpec) -> bool:
    """Whether there is anything that could judge. Without, the reward is ``None``."""
    return bool(task.verify) or task.score is not None


def _bare(task: TaskSpec) -> TaskSpec:
    """For an environment of the verifier's own: it brings along what it needs."""
    return TaskSpec(id=task.id, instruction=task.instruction)


async def _restore(sandbox: Sandbox, taken: list[Taken]) -> Failure | None:
    try:
        await restore(sandbox, taken)
    except NotPut as error:
        text = f"the artifacts could not be put into the verifier's sandbox: {error}"
        return failure("verify_setup_failed", text, "verify", detail=error.detail)
    return None
