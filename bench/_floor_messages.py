"""The floor of messages: the least code that passes one on an event loop, and what both sides of a race stand on.

A deque, and a future that wakes the task that waits for it; trio's side is in `_floor_trio`. No bounds, no deadline, no
supervision, no counters: a floor, not a framework.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from msgspec import Struct

Work = Callable[[], Awaitable[object]]


class Tell(Struct, frozen=True):
    n: int


class Ask(Struct, frozen=True):
    n: int


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


def hear(queue: Queue, n: int) -> Work:
    """Takes ``n`` messages and adds them up."""

    async def server() -> None:
        total = 0
        for _ in range(n):
            message: Tell = await queue.get()
            total += message.n

    return server


def answer(queue: Queue, n: int) -> Work:
    """Takes ``n`` questions and answers them."""

    async def server() -> None:
        for _ in range(n):
            message, slot = await queue.get()
            queue.reply(slot, message.n)

    return server
