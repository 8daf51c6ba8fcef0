"""An actor that does what it is told, and work that is hard to end: for the tests of cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import ChildSpec, Crashed, Exit, on
from greenroom.kernel._exit import ForeignCancel
from tests.kernel.players import Player, temporary

Work = Callable[[], Coroutine[Any, Any, None]]

asyncio_only = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
"""trio has no way for strangers to cancel a task."""


class Do(Struct, frozen=True):
    """Run this as the handler."""

    work: Work


class DoBeside(Struct, frozen=True):
    """Run this as a job."""

    work: Work


class Doer(Player):
    """Does what it is told, also when it stops."""

    def __init__(self, log: list[str] | None = None, at_the_end: Work | None = None) -> None:
        super().__init__("doer", [] if log is None else log)
        self.at_the_end = at_the_end

    async def stopped(self, exit: Exit) -> None:
        if self.at_the_end is not None:
            await self.at_the_end()
        await super().stopped(exit)

    @on(Do)
    async def do(self, message: Do) -> None:
        await message.work()

    @on(DoBeside)
    def do_beside(self, message: DoBeside) -> None:
        self.run(message.work(), name="beside")


def doer(log: list[str] | None = None, at_the_end: Work | None = None, **fields: Any) -> ChildSpec:  # noqa: ANN401
    """The temporary child ``/it``."""
    return temporary(lambda: Doer(log, at_the_end), **fields)


def deaf(release: anyio.Event) -> Work:
    """Work that hears of no cancellation until it is released."""

    async def work() -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()

    return work


@asynccontextmanager
async def deafness() -> AsyncGenerator[Work]:
    """Deaf work that is released at the end of the block, or long after all budgets."""
    release = anyio.Event()

    async def later() -> None:
        await anyio.sleep(10_000)
        release.set()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(later)
            yield deaf(release)
            group.cancel_scope.cancel()
    finally:
        release.set()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()


def task_named(name: str) -> asyncio.Task[Any]:
    """The task of an actor or a job."""
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == name]
    return task


def foreign(exit: Exit) -> bool:
    """Whether somebody outside the kernel cancelled the task."""
    return isinstance(exit, Crashed) and isinstance(exit.exception, ForeignCancel)
