"""Verification in a sandbox in which nothing of the agent runs: tests, commands, reward, in this order."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import anyio

from greenroom.actors._boundary import Failure, failure, raised
from greenroom.actors.budget import Budget
from greenroom.actors.commands import Shell
from greenroom.actors.events import Score
from greenroom.actors.preparation import Record
from greenroom.actors.reward import REWARD_LIMIT, RewardError, by_exit_codes, check_reward, parse_reward
from greenroom.actors.scorer import SandboxEvidence, Testimony, find_scorer
from greenroom.actors.uploads import NotPut, put, put_texts, write
from greenroom.actors.variables import variables
from greenroom.messages import CommandResult
from greenroom.sandboxes.base import Exec, Sandbox, SandboxError
from greenroom.specs import Scorer, TaskSpec

REWARD_FILE = "GREENROOM_REWARD_FILE"
_REMOVE_SECONDS = 30.0


class Judgement:
    """One verification.

    Args:
        task: Says how.
        sandbox: Holds what the agent left.
        budget: Has the time for the verify commands and the scorer together.
        record: Told of every command as it ends.
        testimony: What the agent said, for scorers.
    """

    def __init__(self, task: TaskSpec, sandbox: Sandbox, budget: Budget, record: Record, testimony: Testimony) -> None:
        self.task = task
        self._sandbox = sandbox
        self._seconds = budget.verify_seconds(anyio.current_time())
        self._within = budget.within(self._seconds, "verify_timeout", task.verify_timeout)
        self._record = record
        self._testimony = testimony
        self._results: list[CommandResult] = []

    async def judge(self) -> Score:
        """The score. Raises `SandboxError`, and `FaultError` for variables that are missing."""
        task = self.task
        reward_file = _fresh_path(self._sandbox)
        try:
            await self._bring(reward_file)
        except NotPut as error:
            if error.mine:
                return unscored(failure("verify_setup_failed", str(error), "verify"))
            return unscored(failure("verify_obstructed", str(error), "verify", detail=error.detail))
        env = {REWARD_FILE: reward_file, **variables(task, task.verify_env, "verify")}
        ends = anyio.current_time() + self._seconds
        shell = Shell(self._sandbox, "verify", ends, env, task.verify_user)
        late = await self._run(shell)
        if late is not None:
            return unscored(late)
        if task.score is not None:
            return await self._ask(task.score, shell)
        if task.reward != "file":
            return Score(reward=by_exit_codes(task.reward, self._results))
        return await self._read(task.reward_files or (reward_file,))

    async def _bring(self, reward_file: str) -> None:
        """What the agent must not have seen. No process of it lives that could have known the reward file's name."""
        task = self.task
        if task.reward_files:
            await self._remove(task.reward_files)
        await write(self._sandbox, {f"{reward_file}.made": b""})
        await put_texts(self._sandbox, task.verify_files)
        await put(self._sandbox, task.verify_uploads)

    async def _remove(self, paths: Sequence[str]) -> None:
        program = Exec(argv=("rm", "-rf", "--", *paths), cwd=self._sandbox.workdir, user="root")
        result = await self._sandbox.exec(program, timeout=_REMOVE_SECONDS)
        if result.exit_code != 0:
            raise NotPut(
                "reward files of the agent's own could not be removed", result.output.decode("utf-8", "replace")
            )

    async def _run(self, shell: Shell) -> Failure | None:
        for command in self.task.verify:
            result = await shell.run(command)
            self._record(result)
            self._results.append(result)
            if result.timed_out:
                text = f"the verify commands did not end within {self._within}: {command}"
                return failure("verify_timeout", text, "verify", detail=result.output)
        return None

    async def _read(self, paths: Sequence[str]) -> Score:
        content: bytes | None = None
        for path in paths:
            try:
                content = await self._sandbox.read(path, limit=REWARD_LIMIT + 1)
                break
            except FileNotFoundError:
                continue
        named = self.task.reward_files
        try:
            return Score(reward=parse_reward(content, " or ".join(named) or f"${REWARD_FILE}"))
        except RewardError as error:
            return unscored(failure("reward_invalid", str(error), "verify", detail=self._results[-1].output))

    async def _ask(self, score: Scorer | str, shell: Shell) -> Score:
        evidence = SandboxEvidence(self.task, shell, self._results, self._record, self._testimony)
        with anyio.move_on_after(shell.left):
            try:
                reward = await find_scorer(score)(evidence)
                return _verdict(None if reward is None else check_reward(reward))
            except SandboxError:
                raise
            except RewardError as error:
                return unscored(failure("reward_invalid", str(error), "verify"))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the task's own code, on a hostile sandbox
                return unscored(raised("scorer_failed", "the scorer", error, "verify"))
        text = f"the scorer did not end within {self._within}"
        return unscored(failure("verify_timeout", text, "verify"))


def unscored(found: Failure) -> Score:
    """No reward, for this reason."""
    return Score(cause=found.cause, fault=found.fault)


def _verdict(reward: float | dict[str, float] | None) -> Score:
    if reward is None:
        return unscored(failure("no_verdict", "the scorer could not tell", "verify"))
    return Score(reward=reward)


def _fresh_path(sandbox: Sandbox) -> str:
    """A path outside the work directory that nobody can have guessed."""
    inside = f"{sandbox.home.rstrip('/')}/".startswith(f"{sandbox.workdir.rstrip('/')}/")
    return f"{'/tmp' if inside else sandbox.home.rstrip('/')}/.greenroom-{secrets.token_hex(16)}/reward"  # noqa: S108
