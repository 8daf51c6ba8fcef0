"""Who ignores its cancellation is struck again, then left behind and cut off. Nobody who obeys is taken for one."""

from __future__ import annotations

import math

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, Exit, Killed, NotDelivered, ReplyLost, Supervisor, System, on
from tests.kernel.doer import Do, DoBeside, Doer, asyncio_only, deaf, deafness, doer, task_named
from tests.kernel.players import Hang, Heard, Player, Say, Wait, ask, paths, player, temporary

pytestmark = pytest.mark.anyio


@pytest.mark.real_time
async def test_a_cancellation_swallowed_again_and_again_ends_in_a_zombie() -> None:
    """A handler that catches every cancellation and goes on is left behind when its time is up, and told of."""
    enough = anyio.Event()

    async def work() -> None:
        while not enough.is_set():
            try:
                await anyio.sleep(60)
            except anyio.get_cancelled_exc_class():
                continue

    async with System(fence_after=0.05) as system:
        with system.subscribe() as events:
            ref = await system.start(doer(shutdown="brutal"))
            ref.cast(Do(work))
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("it")
            assert [event.path for event in events.take() if event.kind == "zombie"] == ["/it"]
        assert (await system.join(ref), paths(system)) == (Killed(), [])
        enough.set()


async def test_a_zombie_is_cut_off() -> None:
    """Nothing reaches a zombie, its name is another's, and the answer it gives at last is dropped."""
    release = anyio.Event()
    outcomes: list[object] = []

    class Late(Player):
        @on(Wait)
        async def wait(self, message: Wait) -> float:
            await deaf(release)()
            return -1

    async with System(fence_after=1) as system, anyio.create_task_group() as group:
        ref = await system.start(ChildSpec("a", lambda: Late("late", []), shutdown="brutal"))
        group.start_soon(ask, outcomes, ref, Wait(0))
        await anyio.wait_all_tasks_blocked()
        system.kill(ref)
        await anyio.sleep(2)
        assert [type(outcome) for outcome in outcomes] == [ReplyLost]
        with pytest.raises(NotDelivered):
            await ref.call(Heard())
        successor = system.lookup("/a")
        assert successor.alive
        assert successor != ref
        release.set()
        await anyio.wait_all_tasks_blocked()
        assert len(outcomes) == 1
        assert await successor.call(Heard()) == []
        assert system.zombies == set()


async def test_what_a_zombie_sends_is_dropped() -> None:
    """A zombie that wakes up can no longer act on others: its casts are dead letters, its calls are refused."""
    release = anyio.Event()
    outcomes: list[object] = []
    async with System(fence_after=1) as system:
        other = await system.start(player("other", []))

        async def work() -> None:
            await deaf(release)()
            other.cast(Say("from the grave"))
            await ask(outcomes, other, Heard())

        ref = await system.start(doer(shutdown="brutal"))
        ref.cast(Do(work))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
        release.set()
        await anyio.wait_all_tasks_blocked()
        assert await other.call(Heard()) == []


async def test_a_job_that_ignores_its_cancellation_does_not_hold_up_the_end() -> None:
    """A job is given up like its actor: the stop is over within the budgets, and so is leaving the system."""
    async with deafness() as work:
        async with System(fence_after=1) as system:
            ref = await system.start(doer(shutdown=5))
            ref.cast(DoBeside(work))
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("it")
            assert anyio.current_time() < 10
        assert anyio.current_time() < 20


async def test_clean_up_runs_although_a_job_ignores_its_cancellation() -> None:
    """A job that does not end within the budget does not cost the actor its `stopped`."""
    log: list[str] = []
    async with deafness() as work, System(fence_after=1) as system:
        ref = await system.start(doer(log, shutdown=5))
        ref.cast(DoBeside(work))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
        assert log == ["doer starts", "doer stops: Killed"]


async def test_a_deaf_actor_does_not_hold_up_a_system_that_is_out_of_time() -> None:
    """Once the system's own time is up, no budget below counts any more, not even an infinite one."""
    async with deafness() as work:
        async with System(shutdown=5, fence_after=1) as system:
            ref = await system.start(doer(shutdown=math.inf))
            ref.cast(Do(work))
            await anyio.wait_all_tasks_blocked()
        assert anyio.current_time() < 10


async def test_killing_twice_is_killing_once() -> None:
    """An actor that would obey is not taken for one that does not because it was told again."""
    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(doer())
            ref.cast(Hang())
            await anyio.wait_all_tasks_blocked()
            system.kill(ref)
            system.kill(ref)
            assert await system.join(ref) == Killed()
            assert [event.kind for event in events.take()] == ["started", "stopped"]


async def test_a_kill_during_clean_up_cancels_it() -> None:
    """Who cleans up after a first strike is cancelled by a kill, and only then, if it ignores that, abandoned."""
    log: list[str] = []

    async def clean_up() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            log.append(f"over at {anyio.current_time():g}")

    async with anyio.create_task_group() as group:
        async with System() as system:
            events = system.subscribe()
            ref = await system.start(doer(log, clean_up, shutdown=5))
            ref.cast(Hang())
            await anyio.wait_all_tasks_blocked()
            group.start_soon(system.stop_child, "it")
            await anyio.sleep(6 - anyio.current_time())
            system.kill(ref)
            await system.join(ref)
        await anyio.sleep(2000)
    assert [event.kind for event in events.take()] == ["started", "stopped", "stopped"]
    assert log == ["doer starts", "over at 6"]


async def test_a_system_out_of_time_abandons_nobody_who_obeys() -> None:
    """All are killed at once, also those whose supervisor dies of it before them, and none is a zombie."""
    async with System(shutdown=5) as system:
        events = system.subscribe()
        specs = [player(name, [], shutdown="brutal") for name in "ab"]
        await system.start(ChildSpec("top", lambda: Supervisor(specs)))
        await system.start(doer(None, anyio.sleep_forever, shutdown=math.inf))
    assert {event.kind for event in events.take()} == {"started", "stopped"}
    assert anyio.current_time() == 5


async def test_an_actor_that_said_it_would_stop_and_then_hangs_is_timed_out() -> None:
    """A lifetime ends a handler that called `stop` and never returned."""

    class Pretending(Doer):
        @on(Say)
        async def say(self, message: Say) -> None:
            self.stop()
            await anyio.sleep_forever()

    async with System() as system:
        ref = await system.start(temporary(Pretending, lifetime=60))
        ref.cast(Say("stop"))
        await anyio.sleep(100)
        alive = ref.alive
        system.kill(ref)
        assert not alive


async def test_a_start_that_declines_and_then_hangs_is_timed_out() -> None:
    """The same for a start: it has a deadline whatever it has said."""

    class Pretending(Actor):
        async def started(self) -> None:
            self.stop()
            await anyio.sleep(10_000)

    async with System() as system:
        await ask([], system.root, Supervisor.StartChild(temporary(Pretending, start_timeout=3)))
        assert 3 <= anyio.current_time() <= 3 * 33 / 32


async def test_a_job_begun_in_stopped_ends_with_the_actor() -> None:
    """Who starts a job as the last thing has it cancelled and waited for like any other; it is no zombie."""
    log: list[str] = []
    async with anyio.create_task_group() as group:
        release = anyio.Event()

        async def linger() -> None:
            try:
                await release.wait()
            finally:
                log.append("over")

        class Restless(Player):
            async def stopped(self, exit: Exit) -> None:
                self.run(linger())
                await anyio.sleep(1)

        async def later() -> None:
            await anyio.sleep(1000)
            release.set()

        group.start_soon(later)
        async with System() as system:
            with system.subscribe() as events:
                await system.start(temporary(lambda: Restless("restless", log)))
                await system.stop_child("it")
                ended = list(log)
                zombies = [event for event in events.take() if event.kind == "zombie"]
        await anyio.sleep(1000)
    assert (ended, zombies) == (["restless starts", "over"], [])


async def test_a_zombie_can_begin_nothing() -> None:
    """What it starts when it wakes, a job, a timer, a membership, is not begun or ends at once."""
    log: list[str] = []

    class Waking(Player):
        @on(Say)
        async def say(self, message: Say) -> None:
            await nap()
            self.join("choir")
            self.after(1, Say("again"))
            self.run(long())

    async def long() -> None:
        log.append("begun")
        await anyio.sleep(5000)
        log.append("done")

    async with deafness() as nap:
        async with System(fence_after=1) as system:
            ref = await system.start(temporary(lambda: Waking("waking", []), shutdown="brutal"))
            ref.cast(Say("sleep"))
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("it")
            await anyio.sleep(10_000)
            groups = dict(system.groups)
        assert anyio.current_time() < 11_000
    assert (groups, "done" in log) == ({}, False)


async def test_a_zombie_that_waited_for_its_job_ends_with_it() -> None:
    """An actor and its job, both given up: when the job comes to its end at last, neither is left."""
    async with deafness() as work, System(fence_after=1) as system:
        ref = await system.start(doer(shutdown="brutal"))
        ref.cast(DoBeside(work))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
        assert len(system.zombies) == 2
        await anyio.sleep(10_001)
        assert system.zombies == set()


async def test_a_zombie_starts_nobody() -> None:
    """A supervisor that was abandoned in the middle of its work has no children any more, and gets none."""

    class Waking(Supervisor):
        @on(Say)
        async def say(self, message: Say) -> None:
            await nap()
            await self.start_child(ChildSpec("late", Actor))

    async with deafness() as nap, System(fence_after=1) as system:
        ref = await system.start(temporary(Waking, shutdown="brutal"))
        ref.cast(Say("sleep"))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
        await anyio.sleep(10_001)
        assert list(system.cells) == ["/"]


@asyncio_only
async def test_a_supervisor_that_strangers_cancel_outlives_its_children_all_the_same() -> None:
    """A native cancellation pierces every shield, but does not cut the wait for the last child short."""
    log: list[str] = []
    spec = ChildSpec("top", lambda: Supervisor([doer(log, lambda: anyio.sleep(10), shutdown=20)]))
    async with System() as system:
        await system.start(spec)
        system.kill(system.lookup("/top"))
        await anyio.sleep(1)
        task_named("/top").cancel()
        await anyio.sleep(1)
        assert log == ["doer starts"]
        await anyio.sleep(20)
        assert log == ["doer starts", "doer stops: Shutdown", "doer starts"]
        assert [row.restarts for row in system.tree("/top")] == [1, 0]


async def test_a_supervisor_that_is_given_up_outlives_its_children() -> None:
    """Its name is free only when theirs are: whoever starts in its place can start them at once."""
    log: list[str] = []

    class Slow(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(10)
            await super().stopped(exit)

    class Stuck(Supervisor):
        async def stopped(self, exit: Exit) -> None:
            await work()

    stuck = ChildSpec("stuck", lambda: Stuck([ChildSpec("a", lambda: Slow("a", log), shutdown=20)]), shutdown=1)
    async with deafness() as work, System(fence_after=1) as system:
        top = await system.start(ChildSpec("top", lambda: Supervisor([stuck])))
        await top.call(Supervisor.StopChild("stuck"), timeout=100)
        assert log == ["a starts", "a stops: Shutdown"]
        await top.call(Supervisor.RestartChild("stuck"))
        assert log[2:] == ["a starts"]
