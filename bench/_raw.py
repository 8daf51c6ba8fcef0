"""Bare metal: the least code that passes a message on one event loop, and what both sides of a race stand on.

A deque, and a future (on trio, a parked task) that wakes whoever waits for it. No bounds, no deadline, no supervision,
no counters: a floor, not a framework.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import trio

Work = Callable[[], Awaitable[object]]


class Queue(Protocol):
    """One consumer, any number of producers."""

    def put(self, item: object) -> None:
        """Append, and wake the consumer if it waits."""
        ...

    async def get(self) -> Any:  # noqa: ANN401
        """The next item, once there is one."""
        ...

    async def ask(self, message: object) -> Any:  # noqa: ANN401
        """Append a message with a slot for its reply, and wait for that."""
        ...

    def reply(self, slot: Any, value: object) -> None:  # noqa: ANN401
        """Fill a slot."""
        ...


class Metal(Protocol):
    """What a contestant needs of its event loop."""

    def queue(self) -> Queue:
        """A new queue."""
        ...

    async def turn(self) -> None:
        """Let the others run."""
        ...

    async def together(self, works: Iterable[Work]) -> None:
        """Run all of them as tasks, and wait for the last."""
        ...


class AsyncioQueue:
    """A deque and a future."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.future = asyncio.get_running_loop().create_future

    def put(self, item: object) -> None:
        self.items.append(item)
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            waiter.set_result(None)

    async def get(self) -> Any:  # noqa: ANN401
        if not self.items:
            self.waiter = self.future()
            await self.waiter
        return self.items.popleft()

    async def ask(self, message: object) -> Any:  # noqa: ANN401
        slot = self.future()
        self.put((message, slot))
        return await slot

    def reply(self, slot: Any, value: object) -> None:  # noqa: ANN401
        slot.set_result(value)


class AsyncioMetal:
    """asyncio and uvloop."""

    queue = AsyncioQueue

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def together(self, works: Iterable[Work]) -> None:
        async def run(work: Work) -> None:
            await work()

        await asyncio.gather(*[run(work) for work in works])


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
