"""Where rollouts come from: the tasks as the user gave them, each as often as it is sampled, taken one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import cast

from greenroom.actors.plan import RolloutPlan
from greenroom.actors.scorer import find_scorer
from greenroom.engine.tasks.demands import place_of, unmet
from greenroom.engine.tasks.errors import TaskError
from greenroom.engine.tasks.fields import recheck_task
from greenroom.specs import HostTool, SandboxSpec, TaskSpec

Tasks = Iterable[TaskSpec] | AsyncIterable[TaskSpec]
"""What `Engine.run` takes. A list is checked at once; an iterator is consumed no faster than rollouts are admitted."""

Planner = Callable[[TaskSpec, int], RolloutPlan]


class Source:
    """Gives one plan after the other, the samples of a task next to each other."""

    def __init__(self, tasks: Tasks, samples: int, plan: Planner) -> None:
        self._tasks = aiter(tasks) if isinstance(tasks, AsyncIterable) else iter(tasks)
        self._samples = samples
        self._plan = plan
        self._task: TaskSpec | None = None
        self._sample = 0

    async def __call__(self) -> RolloutPlan | None:
        """The next one; ``None`` after the last. Raises what the user's iterator raises, and `TaskError`."""
        if self._task is None or self._sample == self._samples:
            self._task = await _next(self._tasks)
            self._sample = 0
        if self._task is None:
            return None
        self._sample += 1
        return self._plan(self._task, self._sample - 1)


class Once:
    """Gives one plan."""

    def __init__(self, plan: RolloutPlan) -> None:
        self._plan: RolloutPlan | None = plan

    async def __call__(self) -> RolloutPlan | None:
        """The plan, the first time."""
        plan, self._plan = self._plan, None
        return plan


def check_host_tools(task: TaskSpec, tools: Sequence[HostTool]) -> None:
    """Check that the tools a task asks for are there. Raises `TaskError`."""
    missing = set(task.host_tools or ()) - {tool.name for tool in tools}
    if missing:
        have = ", ".join(tool.name for tool in tools) or "none"
        raise TaskError([f"task {task.id!r}: $.host_tools: {', '.join(sorted(missing))}; the engine has: {have}"])


def check_sandbox(task: TaskSpec, sandbox: SandboxSpec) -> None:
    """Check that such sandboxes can be what the task asks for. Raises `TaskError`."""
    if problems := unmet(task, sandbox):
        raise TaskError(problems)


def check_tasks(tasks: object, sandbox: SandboxSpec) -> None:
    """Check what can be checked without consuming anything.

    Raises:
        TaskError: Tasks of a list are wrong, have the same id, or ask for what such sandboxes cannot be.
        TypeError: These are no tasks.
    """
    if isinstance(tasks, TaskSpec | str) or not isinstance(tasks, Iterable | AsyncIterable):
        raise TypeError(f"tasks: expected a list or an iterator of TaskSpec, got {type(tasks).__name__}")
    if not isinstance(tasks, Sequence):
        return
    seen: set[str] = set()
    problems: list[str] = []
    for task in cast("Sequence[object]", tasks):
        checked = _task(task)
        problems += [*_problems(checked), *unmet(checked, sandbox)]
        if checked.id in seen:
            problems.append(f"task {checked.id!r}: two tasks have this id")
        seen.add(checked.id)
    if problems:
        raise TaskError(problems)


async def _next(tasks: Iterator[TaskSpec] | AsyncIterator[TaskSpec]) -> TaskSpec | None:
    task = await anext(tasks, None) if isinstance(tasks, AsyncIterator) else next(tasks, None)
    return None if task is None else _checked(task)


def _checked(task: object) -> TaskSpec:
    found = _task(task)
    if problems := _problems(found):
        raise TaskError(problems)
    return found


def _task(task: object) -> TaskSpec:
    if not isinstance(task, TaskSpec):
        raise TypeError(f"tasks: expected TaskSpec, got {type(task).__name__}")
    return task


def _problems(task: TaskSpec) -> list[str]:
    return [f"{place_of(task)}: {problem}" for problem in (*recheck_task(task), *_scorer(task))]


def _scorer(task: TaskSpec) -> Iterator[str]:
    if task.score is None:
        return
    try:
        find_scorer(task.score)
    except ValueError as error:
        yield f"$.score: {error}; allowed: an async function, or where it is as 'package.module:function'"
