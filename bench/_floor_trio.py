"""The floors of messages and of supervision on trio: parked tasks, and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import trio

from _floor_lives import crash
from _floor_messages import Work


class TrioSlot:
    """Where a reply goes, and the task that waits for it."""

    __slots__ = ("task", "value")

    task: trio.lowlevel.Task
    value: Any


class TrioQueue:
    """A deque and a parked task."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.waiter: trio.lowlevel.Task | None = None

    def put(self, item: object) -> None:
        self.items.append(item)
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            trio.lowlevel.reschedule(waiter)

    async def get(self) -> Any:  # noqa: ANN401
        if not self.items:
            self.waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        return self.items.popleft()

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self.waiter = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def ask(self, message: object) -> Any:  # noqa: ANN401
        slot = TrioSlot()
        slot.task = trio.lowlevel.current_task()
        self.put((message, slot))
        await trio.lowlevel.wait_task_rescheduled(_forget)
        return slot.value

    def reply(self, slot: Any, value: object) -> None:  # noqa: ANN401
        slot.value = value
        trio.lowlevel.reschedule(slot.task)


def _forget(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


class TrioMetal:
    """trio."""

    queue = TrioQueue

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    async def together(self, works: Iterable[Work]) -> None:
        async with trio.open_nursery() as nursery:
            for work in works:
                nursery.start_soon(work)


class TrioLife:
    """trio: a task whose end somebody waits for needs a second event."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._over, self._ended = trio.Event(), trio.Event()

    async def begin(self) -> None:
        self._nursery.start_soon(self._serve)
        await trio.lowlevel.checkpoint()

    async def end(self) -> None:
        self._over.set()
        await self._ended.wait()

    async def crash(self) -> None:
        self._nursery.start_soon(self._fail)
        await self._ended.wait()

    async def _serve(self) -> None:
        await self._over.wait()
        self._ended.set()

    async def _fail(self) -> None:
        try:
            await crash(self._over.set)
        except RuntimeError:
            self._ended.set()
