from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from subprocess import Popen

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio

from greenroom.kernel.testing import BACKENDS, Backend, Deadlock, run_virtual, virtual_backend_options

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

DAY = 86_400.0


def test_years_of_sleeping_end_at_the_exact_time(backend: Backend) -> None:
    """A sleep takes no real time, begins at 0.0 and ends exactly when it is due, also after decades."""

    async def main() -> list[float]:
        times = [anyio.current_time()]
        for delay in (3600, 30 * DAY, 365.25 * 50 * DAY, 1e-3):
            await anyio.sleep(delay)
            times.append(anyio.current_time())
        return times

    began, hour, month, decades, later = run_virtual(main, backend=backend)
    assert (began, hour, month, decades) == (0, 3600, 3600 + 30 * DAY, 3600 + 30 * DAY + 365.25 * 50 * DAY)
    assert later == pytest.approx(decades + 1e-3)


def test_timers_fire_in_the_order_of_their_times(backend: Backend) -> None:
    """Sleepers wake by due time, whatever the order they lay down in."""
    woken: list[tuple[float, float]] = []

    async def sleeper(delay: float) -> None:
        await anyio.sleep(delay)
        woken.append((delay, anyio.current_time()))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for delay in (50, 3, 700, 0.5, 20):
                group.start_soon(sleeper, delay)

    run_virtual(main, backend=backend)
    assert woken == [(delay, delay) for delay in (0.5, 3, 20, 50, 700)]


def test_a_timeout_ends_what_never_ends(backend: Backend) -> None:
    """A deadline is a timer like any other, and an endless sleep is none."""

    async def main() -> float:
        with anyio.move_on_after(7200) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        return anyio.current_time()

    assert run_virtual(main, backend=backend) == 7200


def test_work_takes_no_virtual_time(backend: Backend) -> None:
    """The clock stands still while tasks run, however long they take."""

    async def main() -> float:
        for _ in range(100):
            sum(range(1000))
            await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    assert run_virtual(main, backend=backend) == 0


def test_results_and_errors_come_out(backend: Backend) -> None:
    """What the function returns or raises reaches the caller."""

    async def double(number: int) -> int:
        return number * 2

    async def fail() -> None:
        raise LookupError("mine")

    assert run_virtual(double, 21, backend=backend) == 42
    with pytest.raises(LookupError, match="mine"):
        run_virtual(fail, backend=backend)


async def wait_for_ever() -> None:
    """Wait in the main task."""
    await anyio.Event().wait()


async def wait_in_children() -> None:
    """Wait in child tasks, one at an event, one in an endless sleep."""
    async with anyio.create_task_group() as group:
        group.start_soon(wait_for_ever, name="the first")
        group.start_soon(anyio.sleep_forever, name="the second")


async def wait_after_a_while() -> None:
    """Wait when time has already passed."""
    await anyio.sleep(DAY)
    await wait_for_ever()


def test_waiting_until_all_others_wait_is_no_deadlock(backend: Backend) -> None:
    """`anyio.wait_all_tasks_blocked` returns although nothing else can ever run."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_ever)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    run_virtual(main, backend=backend)


@pytest.mark.parametrize("main", [wait_for_ever, wait_in_children, wait_after_a_while])
def test_a_deadlock_is_an_error(backend: Backend, main: Callable[[], Awaitable[None]]) -> None:
    """A program that can only wait raises instead of hanging, and is still cleaned up."""
    cleaned: list[str] = []

    async def outer() -> None:
        try:
            await main()
        finally:
            cleaned.append("yes")

    with pytest.raises(Deadlock):
        run_virtual(outer, backend=backend)
    assert cleaned == ["yes"]


def test_a_task_that_refuses_to_end_after_the_main_one_is_a_deadlock(backend: Backend) -> None:
    """What is left over and shields itself from its cancellation does not hang the run."""

    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            while True:
                try:
                    await anyio.Event().wait()
                except anyio.get_cancelled_exc_class():
                    continue

    async def main() -> None:
        if backend == "trio":
            trio.lowlevel.spawn_system_task(stubborn)
        else:
            left_over.append(asyncio.create_task(stubborn()))
        await anyio.sleep(1)

    left_over: list[asyncio.Task[None]] = []
    with pytest.raises(Deadlock, match="stubborn"):
        run_virtual(main, backend=backend)


def test_a_deadlock_names_the_tasks_and_their_lines(backend: Backend) -> None:
    """The error says who waits, and where."""
    with pytest.raises(Deadlock) as caught:
        run_virtual(wait_in_children, backend=backend)
    text = str(caught.value)
    assert "these tasks wait for ever" in text
    assert "- the first\n" in text
    assert "- the second\n" in text
    assert "await anyio.Event().wait()" in text
    assert f'File "{__file__}", line {wait_for_ever.__code__.co_firstlineno + 2}, in wait_for_ever' in text


@pytest.mark.real_time
def test_a_worker_thread_takes_no_virtual_time(backend: Backend) -> None:
    """Timers wait for a call in a thread, however long it takes, so its timeout does not strike."""

    async def main() -> float:
        with anyio.fail_after(1):
            await anyio.to_thread.run_sync(time.sleep, 0.02)  # its work, longer than the loop takes to get idle
        return anyio.current_time()

    assert run_virtual(main, backend=backend) == 0


@pytest.mark.real_time
def test_time_goes_on_after_a_worker_thread(backend: Backend) -> None:
    """A thread that rests in its pool does not hold the clock, and no longer hides a deadlock."""

    async def main() -> float:
        for _ in range(3):
            await anyio.to_thread.run_sync(int)
            await anyio.sleep(100)
        return anyio.current_time()

    async def lost() -> None:
        await anyio.to_thread.run_sync(int)
        await anyio.Event().wait()

    assert run_virtual(main, backend=backend) == 300
    with pytest.raises(Deadlock):
        run_virtual(lost, backend=backend)


@pytest.mark.real_time
def test_a_thread_calls_back(backend: Backend) -> None:
    """A worker thread may run code in the loop while the loop waits for it."""

    async def main() -> float:
        return await anyio.to_thread.run_sync(anyio.from_thread.run_sync, anyio.current_time)

    assert run_virtual(main, backend=backend) == 0


@pytest.mark.real_time
def test_a_foreign_thread_is_waited_for(backend: Backend) -> None:
    """While a thread of one's own runs, waiting without a timer is no deadlock."""

    async def main() -> bool:
        done = anyio.Event()
        async with anyio.from_thread.BlockingPortal() as portal:
            threading.Timer(0.02, portal.call, [done.set]).start()
            await done.wait()
        return done.is_set()

    assert run_virtual(main, backend=backend)


def from_outside(command: str, stdout: int | None = None) -> Popen[bytes]:
    """A process that acts when the event loop here is idle."""
    return Popen(["sh", "-c", f"sleep 0.02; {command}"], stdout=stdout)


@pytest.mark.real_time
def test_watched_sockets_are_waited_for(backend: Backend) -> None:
    """Waiting for a socket is no deadlock, and what has arrived is seen before the clock jumps."""

    async def main() -> tuple[bytes, float]:
        ours, theirs = socket.socketpair()
        with ours, theirs, from_outside("echo late", stdout=theirs.fileno()):
            await anyio.wait_readable(ours)
            late = ours.recv(10)
            theirs.send(b"early")
            with anyio.fail_after(1):
                await anyio.wait_readable(ours)
        return late, anyio.current_time()

    assert run_virtual(main, backend=backend) == (b"late\n", 0)


@pytest.mark.real_time
def test_signals_are_waited_for(backend: Backend) -> None:
    """Listening for a signal is no deadlock."""

    async def main() -> int:
        with anyio.open_signal_receiver(signal.SIGUSR1) as signals, from_outside(f"kill -USR1 {os.getpid()}"):
            return await anext(aiter(signals))

    assert run_virtual(main, backend=backend) == signal.SIGUSR1


async def race(runners: int = 8, laps: int = 3) -> list[int]:
    """Tasks woken by timers that are due at the same time; the order in which they came along."""
    order: list[int] = []

    async def run(number: int) -> None:
        for _ in range(laps):
            await anyio.sleep(1)
            order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(runners):
            group.start_soon(run, number)
    return order


def test_a_seed_fixes_the_schedule(backend: Backend) -> None:
    """The same seed gives the same order of tasks, another seed another one."""
    first, again = (run_virtual(race, backend=backend, seed=7) for _ in range(2))
    assert first == again
    assert len({tuple(run_virtual(race, backend=backend, seed=seed)) for seed in range(10)}) > 5


def test_a_seed_fixes_the_order_of_cancellation(backend: Backend) -> None:
    """Tasks cancelled at once, which their group keeps in a set, clean up in the order the seed gives."""

    async def main() -> list[int]:
        order: list[int] = []

        async def run(number: int) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(run, number)
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        return order

    orders = {tuple(run_virtual(main, backend=backend, seed=3)) for _ in range(10)}
    assert len(orders) == 1


def test_a_seed_is_gone_after_its_run(backend: Backend) -> None:
    """Seeding one run leaves trio's own scheduler as it was."""
    import trio._core._run as scheduler

    before = scheduler._r, scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    run_virtual(race, backend=backend, seed=1)
    assert (scheduler._r, scheduler._ALLOW_DETERMINISTIC_SCHEDULING) == before


def test_options_serve_anyio_run(backend: Backend) -> None:
    """The options are anyio's own, so any program that runs through anyio can run in virtual time."""
    anyio.run(anyio.sleep, DAY, backend=backend, backend_options=virtual_backend_options(backend))


def test_an_unknown_backend_is_refused(backend: Backend) -> None:
    """A wrong name is an error that lists the right ones."""
    with pytest.raises(ValueError, match=f"no backend 'curio'.*{backend}"):
        virtual_backend_options("curio")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("missing", ["_r", "GLOBAL_RUN_CONTEXT"])
def test_a_trio_without_its_internals_is_refused(
    backend: Backend, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trio that lost a name virtual time needs gives an error that says so; asyncio is not concerned."""
    monkeypatch.delattr(f"trio._core._run.{missing}")
    if backend == "asyncio":
        virtual_backend_options(backend)
    else:
        with pytest.raises(RuntimeError, match=f"has no {missing}"):
            virtual_backend_options(backend)
