"""Can a task be solved, and is it not passed by doing nothing? Both are tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from greenroom.engine.engine import Engine
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import Reward, SandboxSpec, TaskSpec
from greenroom.specs.checking import NOP, ORACLE

PASSING = 1.0
_LOG = 4000


class Trial(Struct, frozen=True, kw_only=True):
    """What became of one of the two agents."""

    status: str
    reward: Reward | None
    """``None``: unscored."""
    passed: bool | None
    """``None``: unscored, so nobody knows."""
    why: str = ""
    """Of a reward that is missing, or of an agent that failed."""
    log: str = ""
    """The last of what was said: by the commands that failed, or by the agent. Hostile input."""


class TaskCheck(Struct, frozen=True, kw_only=True):
    """What is known of a task."""

    task_id: str
    solvable: bool | None
    """Whether its own solution passes. ``None``: nobody knows, because it has none, or was not scored."""
    trivial: bool | None
    """Whether doing nothing passes. ``None``: it was not scored."""
    oracle: Trial | None
    """``None``: there is no solution."""
    nop: Trial

    @property
    def good(self) -> bool:
        """It can be solved, and not by doing nothing."""
        return self.solvable is True and self.trivial is False


def passes(reward: Reward, passing: float = PASSING) -> bool:
    """Whether a reward means that a task is solved: of several, the one called ``reward``, or else all of them."""
    if not isinstance(reward, dict):
        return reward >= passing
    counted = [reward["reward"]] if "reward" in reward else list(reward.values())
    return all(value >= passing for value in counted)


async def check_tasks(
    tasks: Sequence[TaskSpec],
    sandbox: SandboxSpec,
    *,
    concurrency: int = 4,
    passing: float = PASSING,
    progress: Callable[[str], None] = lambda _: None,
) -> list[TaskCheck]:
    """Try all of them with the agents ``nop`` and ``oracle``; what is found is in the order of the tasks.

    Args:
        tasks: Those to check.
        sandbox: Where.
        concurrency: Rollouts at once.
        passing: The reward from which on a task counts as solved.
        progress: Told in lines of text what is being done.

    Raises:
        TaskError: The sandbox cannot be what a task asks for; nothing was tried then.
        SandboxError: The sandboxes cannot be used on this machine.
    """
    found: dict[str, dict[str, Trial]] = {}
    for agent in (NOP, ORACLE):
        chosen = [task for task in tasks if task.solution is not None or not agent.solves]
        if not chosen:
            continue
        async with Engine(agent, model=_nobody, sandbox=sandbox, concurrency=concurrency, console=False) as engine:
            async for outcome in engine.run(chosen):
                trial = found.setdefault(outcome.task_id, {})[agent.name] = _trial(outcome, passing)
                progress(f"{outcome.task_id}: {agent.name}: {trial.status}, reward {trial.reward}")
    return [_check(task.id, found[task.id].get(ORACLE.name), found[task.id][NOP.name]) for task in tasks]


def _check(task_id: str, oracle: Trial | None, nop: Trial) -> TaskCheck:
    solvable = oracle.passed if oracle else None
    return TaskCheck(task_id=task_id, solvable=solvable, trivial=nop.passed, oracle=oracle, nop=nop)


def _trial(outcome: Outcome, passing: float) -> Trial:
    reward = outcome.reward if outcome.reward_valid else None
    fault = outcome.fault
    last = outcome.attempts[-1] if outcome.attempts else None
    said = fault.detail if fault and fault.detail else last.agent_log if last else ""
    if not said and last is not None:
        said = "".join(command.output for command in last.commands if command.exit_code != 0)
    return Trial(
        status=outcome.status,
        reward=reward,
        passed=None if reward is None else passes(reward, passing),
        why=f"{fault.kind}: {fault.message}" if fault else "" if reward is not None else "the task has no verifier",
        log=said[-_LOG:],
    )


async def _nobody(_: ModelCall) -> Completion:
    """Neither agent calls a model."""
    raise ModelError("unavailable", "there is no model while tasks are checked", retryable=False)
