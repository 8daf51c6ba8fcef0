"""The valve: what comes while it is shut, waits."""

from __future__ import annotations

import threading

import anyio
import pytest

from greenroom.interception.valve import Valve

pytestmark = pytest.mark.anyio


async def test_what_comes_while_it_is_shut_waits() -> None:
    """Open, it holds up nobody; shut, everybody, until it is opened; who goes away meanwhile is forgotten."""
    valve = Valve()
    passed: list[int] = []

    async def one(number: int) -> None:
        await valve.passed()
        passed.append(number)

    await one(0)
    valve.pause()
    with anyio.move_on_after(100):
        await one(1)
    assert (passed, valve.shut, len(valve._waiting)) == ([0], True, 0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, 2)
        tasks.start_soon(one, 3)
        await anyio.wait_all_tasks_blocked()
        valve.resume()
    assert sorted(passed) == [0, 2, 3]
    assert len(valve._waiting) == 0


@pytest.mark.real_time
async def test_it_is_opened_from_another_thread() -> None:
    """A trainer's thread opens it, and who waits goes on."""
    valve = Valve()
    valve.pause()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(valve.passed)
        await anyio.wait_all_tasks_blocked()
        thread = threading.Thread(target=valve.resume)
        thread.start()
    thread.join()
