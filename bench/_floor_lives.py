"""The floor of supervision: a bare task and event for an actor's life, six for a tree, and rows that are copied.

A life begins when its task is made and has had a turn, and ends when its event is set and the task has returned.
Nobody gives it a name, watches it, bounds it, or knows of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

TREE = 6


class Life(Protocol):
    """One task."""

    async def begin(self) -> None:
        """Start it, and return when it runs."""
        ...

    async def end(self) -> None:
        """End it, and return when it is over."""
        ...

    async def crash(self) -> None:
        """Let one run that raises, and return when that is known."""
        ...


class AsyncioLife:
    """asyncio and uvloop."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None

    async def begin(self) -> None:
        self._task = asyncio.create_task(self._over.wait())
        await asyncio.sleep(0)

    async def end(self) -> None:
        self._over.set()
        if self._task is not None:
            await self._task

    async def crash(self) -> None:
        try:
            await asyncio.create_task(crash(self._over.set))
        except RuntimeError:
            return


async def crash(ready: Callable[[], None]) -> None:
    """A task that fails as soon as it is ready."""
    ready()
    raise RuntimeError


async def leaves(make: Callable[[], Life], n: int) -> None:
    """One after another."""
    for _ in range(n):
        life = make()
        await life.begin()
        await life.end()


async def trees(make: Callable[[], Life], n: int) -> None:
    """Six begin, and end in reverse order."""
    for _ in range(n):
        lives = [make() for _ in range(TREE)]
        for life in lives:
            await life.begin()
        for life in reversed(lives):
            await life.end()


async def restarts(make: Callable[[], Life], n: int) -> None:
    """One is ready and crashes, and the next one is made."""
    for _ in range(n):
        await make().crash()


class Line(Struct, frozen=True):
    """As many fields as a row of the live tree has."""

    path: str
    kind: str
    state: str
    mailbox: int
    most: int
    handled: int
    restarts: int
    age: float
    in_hand: str
    waiting: str
    jobs: tuple[str, ...]
    name: str


def lines(count: int) -> list[Line]:
    """What rows can be made of."""
    return [Line(f"/crowd/leaf-{n}", "Sink", "running", 0, 0, 0, 0, 1.0, "", "", (), "") for n in range(count)]


def copied(of: list[Line]) -> list[Line]:
    """A row for each."""
    return [
        Line(
            one.path,
            one.kind,
            one.state,
            one.mailbox,
            one.most,
            one.handled,
            one.restarts,
            one.age,
            one.in_hand,
            one.waiting,
            one.jobs,
            one.name,
        )
        for one in of
    ]


class Crowd:
    """Bare tasks that wait, each with a queue of its own."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def fill(self, count: int) -> None:
        self._tasks = [asyncio.create_task(self._wait()) for _ in range(count)]
        await asyncio.sleep(0)

    async def leave(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _wait(self) -> None:
        queue: deque[object] = deque()
        await self._over.wait()
        queue.clear()
