"""What concerns asyncio alone: executors, the order of callbacks, a loop outside the main thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from greenroom.kernel.testing import Deadlock, VirtualLoop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], seed: int | None = None) -> T:
    """Run a coroutine as asyncio does, on a virtual loop."""
    with asyncio.Runner(loop_factory=partial(VirtualLoop, seed)) as runner:
        return runner.run(main)


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.real_time
@pytest.mark.parametrize("own", ["an executor of one's own", None])
def test_a_call_in_an_executor_takes_no_virtual_time(own: str | None) -> None:
    """Timers wait for the executor's threads; its orderly shutdown is waited for, too."""

    async def main() -> float:
        with ThreadPoolExecutor() as executor:
            async with asyncio.timeout(1):
                work = partial(time.sleep, 0.02)
                await asyncio.get_running_loop().run_in_executor(executor if own else None, work)
        return now()

    assert run(main()) == 0


@pytest.mark.real_time
def test_an_executor_at_rest_hides_no_deadlock() -> None:
    """Idle threads of the loop's own executor wake nobody."""

    async def main() -> None:
        await asyncio.to_thread(int)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main())


@pytest.mark.real_time
def test_outside_the_main_thread_a_loop_waits_to_be_called() -> None:
    """A loop in another thread can always be woken, so it never claims a deadlock."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    waiting = threading.Event()

    async def main() -> None:
        event = asyncio.Event()
        ready.append((asyncio.get_running_loop(), event))
        asyncio.get_running_loop().call_soon(waiting.set)
        await event.wait()

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(lambda: run(main()))
        assert waiting.wait(10)
        [(loop, event)] = ready
        loop.call_soon_threadsafe(event.set)
        assert outcome.result(10) is None


def test_a_seed_leaves_callbacks_in_order() -> None:
    """Only tasks change places: callbacks run in the order in which they were scheduled, as asyncio promises."""

    async def main() -> tuple[list[int], list[int]]:
        callbacks: list[int] = []
        tasks: list[int] = []

        async def step(number: int) -> None:
            tasks.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                asyncio.get_running_loop().call_soon(callbacks.append, number)
                group.create_task(step(number))
        return callbacks, tasks

    callbacks, tasks = run(main(), seed=1)
    assert callbacks == sorted(callbacks)
    assert tasks != sorted(tasks)
    assert sorted(tasks) == list(range(20))


def test_without_a_seed_tasks_run_first_in_first_out() -> None:
    """The unseeded order is asyncio's own."""

    async def main() -> list[int]:
        order: list[int] = []

        async def step(number: int) -> None:
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(step(number))
        return order

    assert run(main()) == list(range(20))


@pytest.mark.parametrize("gap", [1e-300, 5e-10, 1e-9])
def test_a_timer_is_never_early(gap: float) -> None:
    """Timers that lie less than the resolution of a real clock apart are still two moments."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        for due in (0.0, gap, 1.0, 1.0 + 5e-10):
            loop.call_at(due, lambda: times.append(loop.time()))
        await asyncio.sleep(2)
        return times

    assert run(main()) == [0.0, gap, 1.0, 1.0 + 5e-10]


def test_a_task_that_refuses_to_end_does_not_hang_the_runner() -> None:
    """Tasks left over after a deadlock that swallow their cancellation end in another deadlock, not in silence."""

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(Deadlock):
        run(stubborn())
