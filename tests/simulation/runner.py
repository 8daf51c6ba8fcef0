"""Playing one plan, on one backend, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from greenroom.kernel._errors import SystemFailed
from greenroom.testing import Backend, Deadlock, run_virtual
from tests.simulation import outside
from tests.simulation.journal import Journal
from tests.simulation.plan import Plan
from tests.simulation.promises import remains
from tests.simulation.stage import Stage

QUIET = 100.0371
"""Seconds after the last act and fault in which everything comes to rest. Nothing happens at such an odd time."""

LONG = 1000.0
"""Seconds after which the last zombie has come to its end."""


Show = Callable[[Stage], Coroutine[Any, Any, None]]


class Result(Struct, frozen=True):
    """What came of a plan."""

    broken: tuple[str, ...]
    """Promises that were, each with when and how."""
    trace: tuple[str, ...]
    faults: int
    """Faults that struck."""
    steps: int


class Walkout(Exception):
    """The block of the system raises."""


def play(plan: Plan, backend: Backend, show: Show = outside.raise_curtain) -> Result:
    """Play a plan to its end, whatever happens. ``show`` starts its tree, and may do more."""
    journal = Journal(plan)
    try:
        run_virtual(_play, journal, backend, show, backend=backend, seed=plan.seed)
    except Deadlock as deadlock:
        journal.now = lambda: inf
        journal.breach("P10", str(deadlock))
    except Exception as error:  # noqa: BLE001 - that something got out is what is to be reported
        journal.now = lambda: inf
        journal.breach("P6", f"{error!r} came out of the event loop")
    return Result(tuple(journal.broken), tuple(journal.trace), journal.faults.struck, journal.steps)


async def _play(journal: Journal, backend: Backend, show: Show) -> None:
    _hear_the_loop(journal, backend)
    outer = anyio.CancelScope()
    stage = Stage(journal, outer.cancel, backend)
    async with anyio.create_task_group() as bystanders:
        with outer:
            await _perform(stage, bystanders, show)
        remains.check_left(journal, stage)
    await anyio.sleep(LONG)
    remains.check_gone(journal, stage)
    journal.at_end()


async def _perform(stage: Stage, bystanders: TaskGroup, show: Show) -> None:
    journal = stage.journal
    try:
        async with stage:
            try:
                await _show(stage, bystanders, show)
            finally:
                journal.note("leave")
                journal.left_at = anyio.current_time()
    except (Walkout, SystemFailed) as error:
        journal.note(f"left with {error!r}")
    finally:
        journal.budgets.left(journal.left_at)


async def _show(stage: Stage, bystanders: TaskGroup, show: Show) -> None:
    journal, plan = stage.journal, stage.journal.plan
    for number, act in enumerate(plan.acts):
        bystanders.start_soon(outside.perform, stage, act, number)
    for fault in journal.faults.from_outside:
        bystanders.start_soon(outside.strike, stage, fault)
    bystanders.start_soon(show, stage)
    walkout = min((fault.amount for fault in plan.faults if fault.kind == "raise"), default=inf)
    await anyio.sleep(max(0.0, min(plan.leave, walkout) - anyio.current_time()))
    if walkout <= plan.leave:
        journal.faults.struck += 1
        raise Walkout
    if plan.leave >= rest_begins(plan) + QUIET:
        journal.at_rest()
        journal.groups.check(stage)
        remains.check_running(journal, stage)


def rest_begins(plan: Plan) -> float:
    """Seconds after which nothing is done to the tree any more."""
    times = [0.0, *(act.at for act in plan.acts), *(fault.amount for fault in plan.faults)]
    return max(times)


def _hear_the_loop(journal: Journal, backend: Backend) -> None:
    """Have what asyncio would only log be a broken promise. trio raises it."""
    if backend == "asyncio":
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: journal.breach("P6", f"event loop: {context}"))
