"""The verifier of one attempt: judges what the agent left, once the agent is dead. Its end ends the attempt."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import anyio
from msgspec import Struct

from greenroom.actors._boundary import Failure, failure, failure_of
from greenroom.actors.agent import AwaitEnd
from greenroom.actors.commands import Shell
from greenroom.actors.events import CommandRan, PhaseEntered, Score, Scored
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.policy import POLICY
from greenroom.actors.reward import REWARD_LIMIT, RewardError, by_exit_codes, parse_reward
from greenroom.actors.sandbox import Boot
from greenroom.kernel import Actor, on
from greenroom.messages import CommandResult, Phase
from greenroom.sandboxes.base import Sandbox, SandboxError

REWARD_FILE = "GREENROOM_REWARD_FILE"


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
        self._enter("cleanup")
        self.stop()

    async def _verify(self) -> Score:
        left = self.plan.budget.seconds(anyio.current_time())
        end = await self.sibling("agent").call(AwaitEnd(), timeout=left)
        self.waiting = False
        if not self.plan.task.verify or not POLICY[end.cause].graded:
            return Score()
        self._enter("verify")
        try:
            lent = await self.sibling("sandbox").call(Boot())
            return await self._judge(lent.sandbox)
        except SandboxError as error:
            return _unscored(failure_of(error, "verify"))

    async def _judge(self, sandbox: Sandbox) -> Score:
        task = self.plan.task
        reward_file = _fresh_path(sandbox)
        try:
            # The directory is made now: no process of the agent lives that could have known its name.
            await sandbox.write({f"{reward_file}.made": b""})
            await sandbox.write({path: text.encode() for path, text in task.verify_files.items()})
        except SandboxError as error:
            if error.kind != "write_failed":
                raise
            return _unscored(failure("verify_obstructed", str(error), "verify", detail=error.detail))
        late = await self._run_commands(sandbox, reward_file)
        if late is not None:
            return _unscored(late)
        if task.reward != "file":
            return Score(reward=by_exit_codes(task.reward, self.results))
        return await _from_file(sandbox, reward_file, self.results)

    async def _run_commands(self, sandbox: Sandbox, reward_file: str) -> Failure | None:
        now = anyio.current_time()
        seconds = self.plan.budget.verify_seconds(now)
        shell = Shell(sandbox, "verify", now + seconds, {REWARD_FILE: reward_file})
        for command in self.plan.task.verify:
            result = await shell.run(command)
            self.plan.rollout.cast(CommandRan(self.plan.number, result))
            self.results.append(result)
            if result.timed_out:
                return _timed_out(result, seconds)
        return None

    def _enter(self, phase: Phase) -> None:
        self.plan.rollout.cast(PhaseEntered(self.plan.number, phase, anyio.current_time()))


async def _from_file(sandbox: Sandbox, path: str, results: Sequence[CommandResult]) -> Score:
    try:
        content = await sandbox.read(path, limit=REWARD_LIMIT + 1)
    except FileNotFoundError:
        content = None
    try:
        return Score(reward=parse_reward(content))
    except RewardError as error:
        return _unscored(failure("reward_invalid", str(error), "verify", detail=results[-1].output))


def _fresh_path(sandbox: Sandbox) -> str:
    """A path outside the work directory that nobody can have guessed."""
    inside = f"{sandbox.home.rstrip('/')}/".startswith(f"{sandbox.workdir.rstrip('/')}/")
    return f"{'/tmp' if inside else sandbox.home.rstrip('/')}/.greenroom-{secrets.token_hex(16)}/reward"  # noqa: S108


def _timed_out(result: CommandResult, seconds: float) -> Failure:
    text = f"the verify commands did not end within {seconds:.0f} s: {result.command}"
    return failure("verify_timeout", text, "verify", detail=result.output)


def _unscored(found: Failure) -> Score:
    return Score(cause=found.cause, fault=found.fault)
