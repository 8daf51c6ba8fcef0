"""What cancellation does to actors, and what they may do to it.

A crash cancels nobody, an outer cancellation becomes a stop in order, and whoever ignores his own is left behind. Each
test is a way in which tasks of asyncio or trio have been seen to go wrong. (A handler that blocks the loop itself, and
so cannot be cancelled at all, is `test_watch`'s matter.)
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    Call,
    CallTimeout,
    ChildSpec,
    Crashed,
    Exit,
    Killed,
    NotDelivered,
    Reply,
    ReplyLost,
    Shutdown,
    StartFailed,
    Supervisor,
    System,
    TimedOut,
    on,
)
from greenroom.kernel._exit import ForeignCancel
from greenroom.kernel._system import live_systems
from tests.kernel.players import Crash, Heard, Leave, Player, Say, Wait, ask, paths, player, temporary

pytestmark = pytest.mark.anyio

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
async def deafness() -> AsyncIterator[Work]:
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


# Who ignores a cancellation.


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
        group.start_soon(ask, [], ref, Supervisor.StartChild(ChildSpec("a", lambda: Slow("a", log))))
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


# What is raised.


async def together(first: BaseException, *later: BaseException) -> None:
    """Fail in a group of groups: first with one error, then with what goes wrong in the tasks cancelled for it."""

    async def fail() -> None:
        await anyio.sleep(1)
        raise first

    async def fail_to_clean_up(error: BaseException) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    async with anyio.create_task_group() as outer:
        outer.start_soon(anyio.sleep_forever)
        async with anyio.create_task_group() as inner:
            inner.start_soon(anyio.sleep_forever)
            inner.start_soon(fail)
            for error in later:
                inner.start_soon(fail_to_clean_up, error)


async def test_one_error_in_groups_is_the_crash() -> None:
    """However deep task groups have wrapped it, the exit holds the error itself, with its traceback."""
    cause = LookupError("the cause")
    async with System() as system:
        ref = await system.start(doer())
        ref.cast(Do(lambda: together(cause)))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert exit.exception is cause
    assert "in fail" in exit.traceback


async def test_several_errors_in_groups_are_one_flat_group() -> None:
    """None of them is hidden by another."""
    errors = [LookupError("one"), KeyError("two"), ValueError("three")]
    async with System() as system:
        ref = await system.start(doer())
        ref.cast(Do(lambda: together(*errors)))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert isinstance(exit.exception, ExceptionGroup)
    assert sorted(exit.exception.exceptions, key=errors.index) == errors


async def test_the_first_cause_survives_a_clean_up_that_fails() -> None:
    """What `stopped` raises is told, and never replaces what the actor died of."""

    async def fail() -> None:
        raise ValueError("in the clean-up")

    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(doer(None, fail))
            ref.cast(Crash("the cause"))
            exit = await system.join(ref)
            told = [event.detail for event in events.take() if event.kind == "cleanup_failed"]
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"
    assert len(told) == 1
    assert "in the clean-up" in told[0]


async def test_the_first_cause_survives_a_clean_up_that_takes_too_long() -> None:
    """An actor that crashed and whose `stopped` is cut off still says what it died of."""
    async with System() as system:
        ref = await system.start(doer(None, anyio.sleep_forever, shutdown=5))
        ref.cast(Crash("the cause"))
        exit = await system.join(ref)
        assert anyio.current_time() == 5
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"


async def test_the_first_cause_survives_the_end_of_a_lifetime() -> None:
    """A lifetime that is over while the actor cleans up after a crash is not what it died of."""
    async with System() as system:
        ref = await system.start(doer(None, lambda: anyio.sleep(4), lifetime=2))
        ref.cast(Crash("the cause"))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"


async def test_a_job_that_fails_when_it_is_cancelled_is_told() -> None:
    """The clean-up of a job counts as the actor's: its failure is an event, and the first exit stands."""

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in the job's clean-up")

    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(doer())
            ref.cast(DoBeside(work))
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("it")
            await system.join(ref)
            told = [event.detail for event in events.take() if event.kind == "cleanup_failed"]
    assert len(told) == 1
    assert "in the job's clean-up" in told[0]


# What was under way.


async def test_a_message_in_hand_is_lost_by_name() -> None:
    """Killed in a handler: the call it had in hand is lost at once, those behind it were never delivered."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(doer(shutdown="brutal"))
        for message in (Wait(1000), Heard(), Heard()):
            group.start_soon(ask, outcomes, ref, message)
            await anyio.wait_all_tasks_blocked()
        ref.cast(Say("never heard"))
        system.kill(ref)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [ReplyLost, NotDelivered, NotDelivered]
        assert "/it ended with the message in hand: Killed()" in str(outcomes[0])
        assert system.dead_letters == 3
        assert anyio.current_time() < 1


@asyncio_only
async def test_a_crash_by_a_foreign_cancel_names_the_message_in_hand() -> None:
    """The exit record says what the actor was at."""
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(doer())
        group.start_soon(ask, [], ref, Wait(1000))
        await anyio.wait_all_tasks_blocked()
        task_named("/it").cancel()
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert exit.message == "Wait"


class Both(Call[str], frozen=True):
    """Be answered in the turn in which the call expires."""


class Punctual(Actor):
    """Answers when the caller's patience ends."""

    def __init__(self) -> None:
        self.replies: list[Reply[str]] = []

    @on(Both)
    def take(self, _: Both) -> Reply[str]:
        self.replies.append(self.defer())
        return self.replies[-1]


@pytest.mark.parametrize("first", ["reply", "timeout"])
async def test_a_reply_and_a_timeout_in_one_turn_are_one_end(first: str) -> None:
    """Whichever comes first counts, and the other changes nothing."""
    actor = Punctual()
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: actor))
        group.start_soon(ask, outcomes, ref, Both())
        await anyio.wait_all_tasks_blocked()
        question: Any = actor.replies[0]._ask
        if first == "reply":
            actor.replies[0].send("in time")
            question.expire()
        else:
            question.expire()
            actor.replies[0].send("too late")
        await anyio.wait_all_tasks_blocked()
        if first == "reply":
            assert (outcomes, system.dead_letters) == (["in time"], 0)
        else:
            assert ([type(outcome) for outcome in outcomes], system.dead_letters) == ([CallTimeout], 1)


async def test_a_reply_and_a_cancellation_in_one_turn_are_one_end() -> None:
    """A caller that is cancelled in the turn of its reply ends either way, once, and nobody else is harmed."""
    actor = Punctual()
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: actor))
        group.start_soon(ask, outcomes, ref, Both())
        await anyio.wait_all_tasks_blocked()
        actor.replies[0].send("in time")
        group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint_if_cancelled()
    assert outcomes in (["in time"], [])


# What is meant for the program.


async def interrupt() -> None:
    """Press Ctrl-C."""
    raise KeyboardInterrupt


async def interrupt_in_a_group() -> None:
    """The same, as a task group passes it on."""
    raise BaseExceptionGroup("a group", [BaseExceptionGroup("in a group", [KeyboardInterrupt()])])


async def interrupted(spec: ChildSpec, message: object) -> System:
    """A system of this child, deep in a tree, that is told something and left alone: the interrupt comes out of it."""
    caught: list[BaseException] = []

    def inner() -> Supervisor:
        return Supervisor([spec], intensity=100)

    system = System()
    try:
        async with system:
            await system.start(ChildSpec("top", lambda: Supervisor([ChildSpec("in", inner)])))
            system.lookup(f"/top/in/{spec.id}").cast(message)
            await anyio.sleep(1000)
    except KeyboardInterrupt as error:
        caught.append(error)
    assert len(caught) == 1
    assert anyio.current_time() < 1000
    return system


@pytest.mark.parametrize(
    "message",
    [Do(interrupt), Do(interrupt_in_a_group), DoBeside(interrupt), DoBeside(interrupt_in_a_group)],
    ids=["handler", "group", "job", "group in a job"],
)
async def test_an_interrupt_goes_to_the_root_and_out(message: object) -> None:
    """KeyboardInterrupt in a handler or a job, in groups or not, ends the program in order and restarts nobody."""
    log: list[str] = []
    await interrupted(ChildSpec("a", lambda: Doer(log)), message)
    assert log.count("doer starts") == 1
    assert log[-1].startswith("doer stops")


async def test_an_interrupt_in_stopped_goes_to_the_root_and_out() -> None:
    """Clean-up is no place to lose it either."""
    log: list[str] = []
    await interrupted(ChildSpec("a", lambda: Doer(log, interrupt)), Leave(Shutdown()))
    assert log.count("doer starts") == 1


async def test_an_interrupt_in_started_goes_to_the_root_and_out() -> None:
    """A start is no different, and is not tried again."""
    starts: list[str] = []

    class Interrupted(Player):
        async def started(self) -> None:
            starts.append("")
            if len(starts) > 1:
                raise KeyboardInterrupt

    await interrupted(ChildSpec("a", lambda: Interrupted("a", [])), Crash())
    assert len(starts) == 2
