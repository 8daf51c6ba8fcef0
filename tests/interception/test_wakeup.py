"""Waking a task from elsewhere."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest

from greenroom.interception.wakeup import Wakeup

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


async def test_a_thread_wakes_a_task() -> None:
    """A thread that never saw the event loop wakes a task in it, and may do so twice."""
    wakeup = Wakeup()

    def wake() -> None:
        wakeup.set()
        wakeup.set()

    threading.Thread(target=wake).start()
    with anyio.fail_after(10):
        await wakeup.wait()


async def test_a_loop_that_is_over_is_left_in_peace() -> None:
    """Waking a task of an event loop that has ended does nothing."""

    async def make() -> Wakeup:
        return Wakeup()

    gone = await anyio.to_thread.run_sync(asyncio.run, make())
    gone.set()
