"""What cancellation does to actors, and what they may do to it.

A crash cancels nobody, and an outer cancellation becomes a stop in order. Each test is a way in which tasks of asyncio
or trio have been seen to go wrong. Who ignores its cancellation is `test_zombies`' matter, what was raised meanwhile is
`test_causes`', and a handler that blocks the loop itself, and so cannot be cancelled at all, is `test_watch`'s.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, Crashed, Exit, StartFailed, Supervisor, System, TimedOut, on
from greenroom.kernel._system import live_systems
from tests.kernel.doer import Do, DoBeside, Doer, Work, asyncio_only, deaf, doer, foreign, task_named
from tests.kernel.players import Crash, Player, Say, Wait, ask, paths, player, temporary

pytestmark = pytest.mark.anyio


# A crash stays one crash.


async def test_a_crash_cancels_nobody_else() -> None:
    """Actors are no children of one another's tasks: siblings, parents and the block go on in what they were doing."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        await system.start(ChildSpec("top", lambda: Supervisor([player("a", []), player("b", [])])))
        group.start_soon(ask, outcomes, system.lookup("/top/b"), Wait(10))
        await anyio.sleep(1)
        system.lookup("/top/a").cast(Crash())
        await anyio.sleep(20)
        assert outcomes == [10]


# What a cancelled actor may still do.


async def test_a_handler_that_is_cancelled_is_cut_at_its_next_await() -> None:
    """Unshielded clean-up inside a handler does not survive the strike; the actor's own `stopped` does."""
    log: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            log.append("begun")
            await anyio.sleep(1)
            log.append("never")

    async with System() as system:
        ref = await system.start(doer(log, lambda: anyio.sleep(1), shutdown=2))
        ref.cast(Do(work))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
    assert log == ["doer starts", "begun", "doer stops: Killed"]


async def test_stopped_needs_no_shield_of_its_own() -> None:
    """`stopped` may await as it likes within its budget, and is cut off at the end of it."""
    log: list[str] = []
    async with System() as system:
        for budget, seconds in ((5.0, 4.0), (5.0, 6.0)):
            began = anyio.current_time()
            await system.start(doer(log, lambda seconds=seconds: anyio.sleep(seconds), shutdown=budget))  # type: ignore[misc]
            await system.stop_child("it")
            assert anyio.current_time() - began == min(budget, seconds)
    assert log == ["doer starts", "doer stops: Shutdown", "doer starts"]


async def test_a_shield_in_started_holds() -> None:
    """A start that is given up lets `started` finish what it has shielded, before `stopped` runs."""
    log: list[str] = []

    class Careful(Player):
        async def started(self) -> None:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
                log.append("finished")
            await anyio.sleep_forever()

    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.start(temporary(lambda: Careful("careful", log), start_timeout=1))
        assert caught.value.exit == TimedOut("start")
    assert log == ["finished", "careful stops: TimedOut"]


# Who else cancels.


@asyncio_only
@pytest.mark.parametrize("work", [lambda: anyio.sleep_forever(), deaf(anyio.Event())], ids=["plain", "shielded"])  # noqa: PLW0108
async def test_a_native_cancel_is_no_clean_stop(work: Work) -> None:
    """`asyncio.Task.cancel` pierces every shield; the actor cleans up and ends abnormally, as `ForeignCancel`."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(doer(log, lambda: anyio.sleep(1)))
        ref.cast(Do(work))
        await anyio.wait_all_tasks_blocked()
        task_named("/it").cancel()
        exit = await system.join(ref)
        assert foreign(exit)
        assert isinstance(exit, Crashed)
        assert exit.message == "Do"
    assert log == ["doer starts", "doer stops: Crashed"]


@asyncio_only
async def test_a_native_cancel_during_clean_up_is_told() -> None:
    """`stopped` is cut off, and an end that would have been orderly is a `ForeignCancel`."""
    async with System() as system, anyio.create_task_group() as group:
        with system.subscribe() as events:
            ref = await system.start(doer(None, anyio.sleep_forever, shutdown=60))
            group.start_soon(system.stop_child, "it")
            await anyio.wait_all_tasks_blocked()
            task_named("/it").cancel()
            assert foreign(await system.join(ref))
            assert any(event.kind == "cleanup_failed" for event in events.take())


@asyncio_only
async def test_a_native_cancel_of_a_job_is_its_actors_crash() -> None:
    """A job that a stranger cancels was not cancelled by its actor, which would have gone on without it."""
    async with System() as system:
        ref = await system.start(doer())
        ref.cast(DoBeside(anyio.sleep_forever))
        await anyio.wait_all_tasks_blocked()
        task_named("/it beside").cancel()
        exit = await system.join(ref)
        assert foreign(exit)
        assert isinstance(exit, Crashed)
        assert exit.message == "beside"


def cancel_soon(name: str) -> None:
    """Cancel a task that is about to be made, before its first step."""
    asyncio.get_running_loop().call_soon(lambda: task_named(name).cancel())


@asyncio_only
async def test_a_start_cancelled_before_its_first_step_has_failed() -> None:
    """An actor whose task never ran still has an end, which its starter hears of; its name is free."""
    log: list[str] = []

    class Doomed(Player):
        def __init__(self) -> None:
            super().__init__("doomed", log)
            cancel_soon("/it")

    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.start(temporary(Doomed))
        assert foreign(caught.value.exit)
        assert (paths(system), log) == ([], [])
        assert (await system.start(doer())).alive


@asyncio_only
async def test_an_actor_cancelled_before_its_first_step_is_restarted() -> None:
    """The same for an actor whose start is not waited for: its supervisor hears of the end, and starts it again."""
    made: list[Actor] = []

    class Doomed(Actor):
        def __init__(self) -> None:
            made.append(self)
            if len(made) == 1:
                cancel_soon("/a")

    async with System() as system:
        first = await system.start(ChildSpec("a", Doomed))
        assert foreign(await system.join(first))
        await anyio.wait_all_tasks_blocked()
        assert (len(made), system.lookup("/a").alive) == (2, True)


@asyncio_only
async def test_a_job_cancelled_before_its_first_step_is_its_actors_crash() -> None:
    """Work that never ran is not mistaken for work that is done."""

    async def never() -> None:
        raise AssertionError

    def forget(actor: Doer) -> None:
        actor.run(never(), name="beside")
        task_named("/it beside").cancel()

    async with System() as system:
        ref = await system.start(doer())
        system.change(ref, forget)
        await anyio.wait_all_tasks_blocked()
        assert not ref.alive
        assert foreign(await system.join(ref))


@pytest.mark.parametrize("kill", [True, False])
async def test_an_actor_may_end_before_its_first_step(kill: bool) -> None:  # noqa: FBT001
    """Killed or stopped in the turn in which it was made, it ends as any other, and handles nothing."""

    class Hasty(Supervisor):
        @on(Say)
        async def say(self, message: Say) -> None:
            ref = await self.start_child(temporary(Idle, "a"))
            ref.cast(Crash())
            if kill:
                self.system.kill(ref)
            else:
                await self.stop_child("a")

    class Idle(Actor):
        @on(Crash)
        def crash(self, _: Crash) -> None:
            raise AssertionError

    async with System() as system:
        (await system.start(ChildSpec("top", Hasty))).cast(Say("now"))
        with system.subscribe() as events:
            await anyio.wait_all_tasks_blocked()
            told = [event.kind for event in events.take() if event.path == "/top/a"]
        assert "crashed" not in told
        assert paths(system) == ["/top"]


async def test_giving_up_a_start_ends_what_was_starting() -> None:
    """A supervisor that is killed while a child of its starts leaves neither behind."""
    log: list[str] = []

    class Slow(Player):
        async def started(self) -> None:
            await anyio.sleep_forever()

    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Supervisor, "top"))
        group.start_soon(ask, list[object](), ref, Supervisor.StartChild(ChildSpec("a", lambda: Slow("a", log))))
        await anyio.wait_all_tasks_blocked()
        assert paths(system) == ["/top", "/top/a"]
        system.kill(ref)
        await anyio.wait_all_tasks_blocked()
        assert paths(system) == []


async def test_a_scope_left_open_in_a_handler_is_a_crash() -> None:
    """Scopes that are entered and never left, as by a generator that is closed elsewhere, hurt only their actor."""

    async def work() -> None:
        anyio.CancelScope().__enter__()

    async with System() as system:
        ref = await system.start(doer())
        ref.cast(Do(work))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
        assert not ref.alive


# Cancelled from outside.


async def test_an_outer_cancellation_stops_a_tree_in_reverse_order() -> None:
    """What surrounds the system cancels nobody directly: each stops in its turn, and may await while it does."""
    log: list[str] = []

    class Slow(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(1)
            await super().stopped(exit)

    def slow(name: str) -> ChildSpec:
        return ChildSpec(name, lambda: Slow(name, log))

    def inner() -> Supervisor:
        return Supervisor([slow("b"), slow("c")])

    with anyio.CancelScope() as scope:
        async with System() as system:
            await system.start(ChildSpec("top", lambda: Supervisor([slow("a"), ChildSpec("in", inner), slow("d")])))
            del log[:]
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert log == [f"{name} stops: Shutdown" for name in "dcba"]
    assert anyio.current_time() == 4


async def test_a_second_cancellation_does_not_hurry_the_stop() -> None:
    """A deadline that passes while the actors already stop changes nothing: the system has its own."""
    with anyio.move_on_after(1):
        with anyio.CancelScope() as scope:
            async with System() as system:
                await system.start(doer(None, lambda: anyio.sleep(3)))
                scope.cancel()
                await anyio.sleep_forever()
    assert anyio.current_time() == 3


async def test_a_system_that_is_cancelled_while_it_opens_leaves_nothing() -> None:
    """Cancelled before the block begins, it is as if there had been no system."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with System():
            pass
    assert scope.cancelled_caught
    assert live_systems() == []
