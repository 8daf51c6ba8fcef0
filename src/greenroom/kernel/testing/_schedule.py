"""The order of the tasks that could run next, chosen by a seed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary


class Schedule:
    """Shuffles the steps of tasks that are ready at once: the same seed gives the same schedule.

    Only steps of tasks change places. All other callbacks keep theirs, because asyncio promises that they run in the
    order in which they were scheduled, and its transports rely on it; no one promises an order between tasks.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._births = itertools.count()
        self._born: WeakKeyDictionary[asyncio.Future[Any], int] = WeakKeyDictionary()

    def born(self, task: asyncio.Task[Any]) -> None:
        """Number a new task. Where tasks are woken out of a set, their order is an accident; their age is not."""
        self._born[task] = next(self._births)

    def shuffle(self, ready: deque[asyncio.Handle]) -> None:
        """Reorder the task steps in a loop's queue."""
        places = [place for place, handle in enumerate(ready) if self._age(handle) >= 0]
        steps = sorted((ready[place] for place in places), key=self._age)
        self._random.shuffle(steps)
        for place, step in zip(places, steps, strict=True):
            ready[place] = step

    def _age(self, handle: asyncio.Handle) -> int:
        # A cancelled handle has no callback; a task's step is a method of its task.
        task: object = getattr(getattr(handle, "_callback", None), "__self__", None)
        return self._born.get(task, -1) if asyncio.isfuture(task) else -1
