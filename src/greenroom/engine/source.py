"""Where rollouts come from: the tasks as the user gave them, each as often as it is sampled, taken one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import cast

import msgspec

from greenroom.actors.plan import RolloutPlan
from greenroom.engine._taskfields import check_task
from greenroom.engine.tasks import TaskError
from greenroom.specs import TaskSpec

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


def check_tasks(tasks: object) -> None:
    """Check what can be checked without consuming anything.

    Raises:
        TaskError: A task is wrong, or two of a list have the same id.
        TypeError: These are no tasks.
    """
    if isinstance(tasks, TaskSpec | str) or not isinstance(tasks, Iterable | AsyncIterable):
        raise TypeError(f"tasks: expected a list or an iterator of TaskSpec, got {type(tasks).__name__}")
    if not isinstance(tasks, Sequence):
        return
    seen: set[str] = set()
    for task in cast("Sequence[object]", tasks):
        checked = _checked(task)
        if checked.id in seen:
            raise TaskError([f"task {checked.id!r}: two tasks have this id"])
        seen.add(checked.id)


async def _next(tasks: Iterator[TaskSpec] | AsyncIterator[TaskSpec]) -> TaskSpec | None:
    task = await anext(tasks, None) if isinstance(tasks, AsyncIterator) else next(tasks, None)
    return None if task is None else _checked(task)


def _checked(task: object) -> TaskSpec:
    if not isinstance(task, TaskSpec):
        raise TypeError(f"tasks: expected TaskSpec, got {type(task).__name__}")
    _, problems = check_task(msgspec.structs.asdict(task))
    if problems:
        raise TaskError([f"task {task.id!r}: {problem}" for problem in problems])
    return task
