"""Looking at live actors and acting on them from outside: Erlang's ``sys``. See also `test_system`, `test_trace`."""

from __future__ import annotations

import anyio
import pytest

from greenroom.kernel import Actor, Crashed, Killed, Normal, Ref, Supervisor, System, on
from greenroom.kernel._status import ActorStatus
from tests.kernel.players import Crash, Hang, Heard, Leave, Player, Say, Wait, player, temporary

pytestmark = pytest.mark.anyio


def row(system: System, path: str) -> ActorStatus:
    """What the tree shows of one actor."""
    return next(row for row in system.tree() if row.path == path)


class Asking(Player):
    """Asks somebody else."""

    def __init__(self, other: Ref) -> None:
        super().__init__("asking", [])
        self.other = other

    @on(Say)
    async def say(self, message: Say) -> None:
        answer: float = await self.other.call(Wait(10), timeout=60)
        self.heard = [f"{answer:g}"]


async def test_the_tree_shows_who_waits_for_whom() -> None:
    """An actor in a call says whom it waits for and on which message, and nothing of that afterwards."""
    async with System() as system:
        other = await system.start(player("other", []))
        ref = await system.start(temporary(lambda: Asking(other)))
        ref.cast(Say("ask"))
        await anyio.wait_all_tasks_blocked()
        assert (row(system, "/it").waiting_on, row(system, "/it").in_hand) == ("/other", "Say")
        assert (row(system, "/other").waiting_on, row(system, "/other").in_hand) == ("", "Wait")
        await anyio.sleep(20)
        assert (row(system, "/it").waiting_on, row(system, "/it").in_hand) == ("", "")
        assert row(system, "/it").handled == 1


async def test_the_tree_shows_an_actor_that_starts_or_stops() -> None:
    """An actor that is not ready yet, or cleans up, is seen as such, and its age counts from when it was made."""

    class Slow(Actor):
        async def started(self) -> None:
            await anyio.sleep(10)

        async def stopped(self, exit: object) -> None:
            await anyio.sleep(3)

    seen: list[tuple[str, float]] = []
    async with System() as system:
        with system.subscribe() as events:
            async with anyio.create_task_group() as group:
                group.start_soon(system.start, temporary(Slow))
                await anyio.sleep(4)
                seen.append((row(system, "/it").state, row(system, "/it").age))
                await anyio.sleep(7)
                seen.append((row(system, "/it").state, row(system, "/it").age))
                group.start_soon(system.stop_child, "it")
                await anyio.sleep(1)
                seen.append((row(system, "/it").state, row(system, "/it").age))
            assert [event.kind for event in events.take()] == ["started", "stopped"]
    assert seen == [("starting", 4), ("running", 11), ("stopping", 12)]


async def test_a_mailbox_that_grows_is_told_of() -> None:
    """A thousand waiting messages are an event, and again each time they have doubled; the tree keeps the most."""
    async with System() as system:
        ref = await system.start(player("a", []))
        with system.subscribe() as events:
            for many in (999, 1, 500, 3000):
                system.suspend(ref)
                for _ in range(many):
                    ref.cast(Say("x"))
                system.suspend(ref, on=False)
                await anyio.wait_all_tasks_blocked()
            told = [event.detail for event in events.take() if event.kind == "high_water"]
        assert told == ["3000 messages wait"]
        assert (row(system, "/a").high_water, row(system, "/a").mailbox) == (3000, 0)


async def test_the_last_crash_says_what_where_and_on_which_message() -> None:
    """What the predecessor died of is kept with its traceback and the message in hand, until the next end."""
    async with System() as system:
        await system.start(player("a", []))
        for number in range(2):
            system.lookup("/a").cast(Crash(f"number {number}"))
            await anyio.wait_all_tasks_blocked()
            shown = system.inspect("/a")
            assert shown is not None
            assert f"Crashed(LookupError('number {number}') on Crash)" in shown.last_crash
            assert "in crash" in shown.last_crash
        system.lookup("/a").cast(Leave(Normal()))
        await anyio.wait_all_tasks_blocked()
        shown = system.inspect("/a")
        assert shown is not None
        assert (shown.last_crash, shown.status.restarts) == ("Normal()", 3)


async def test_a_suspended_actor_can_be_changed_looked_at_and_killed() -> None:
    """Whoever repairs an actor may first have it stand still."""
    async with System() as system:
        ref = await system.start(player("a", [], restart="temporary"))
        system.suspend(ref)
        ref.cast(Say("after"))
        system.change(ref, lambda actor: actor.heard.append("before"))
        await anyio.wait_all_tasks_blocked()
        assert (row(system, "/a").state, row(system, "/a").mailbox) == ("suspended", 1)
        system.suspend(ref, on=False)
        assert await ref.call(Heard()) == ["before", "after"]
        system.suspend(ref)
        system.kill(ref)
        assert await system.join(ref) == Killed()


async def test_a_suspended_supervisor_still_starts_again_who_fails() -> None:
    """Exits are signals, and signals get through."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(temporary(lambda: Supervisor([player("a", log)])))
        system.suspend(ref)
        system.lookup("/it/a").cast(Crash())
        await anyio.wait_all_tasks_blocked()
        assert log == ["a starts", "a stops: Crashed", "a starts"]


async def test_what_is_done_to_the_dead_is_no_error() -> None:
    """Suspending, changing, killing and leaving somebody who has just ended does nothing."""
    async with System() as system:
        ref = await system.start(player("a", []))
        await system.stop_child("a")
        for address in (ref, system.lookup("/a")):
            system.suspend(address)
            system.change(address, lambda actor: actor.heard.append("never"))
            system.kill(address)
            await system.join(address)


async def test_a_change_that_fails_is_the_actors_crash() -> None:
    """A repair that breaks more is told like any failure, and the supervisor decides."""

    def spoil(_: Player) -> None:
        raise LookupError("wrong spot")

    async with System() as system:
        ref = await system.start(player("a", []))
        system.change(ref, spoil)
        exit = await system.join(ref)
        await anyio.wait_all_tasks_blocked()
        assert system.lookup("/a").alive
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "wrong spot"


async def test_a_failing_change_is_not_blamed_on_the_message_before_it() -> None:
    """The message in hand is the one being handled, not one that is done."""

    def spoil(_: Player) -> None:
        raise LookupError("wrong spot")

    class Spoiling(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            self.system.change(self.ref, spoil)

    async with System() as system:
        ref = await system.start(temporary(lambda: Spoiling("a", [])))
        ref.cast(Say("innocent"))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert exit.message != "Say"


async def test_an_actor_that_cleans_up_has_no_message_in_hand() -> None:
    """What was handled before the stop is done, and is neither shown nor reported as frozen."""

    class Slow(Player):
        async def stopped(self, exit: object) -> None:
            await anyio.sleep(100)

    async with System(handler_budget=10) as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: Slow("a", []), shutdown=1000))
        with system.subscribe() as events:
            ref.cast(Leave())
            group.start_soon(system.join, ref)
            await anyio.sleep(50)
            assert row(system, "/it").in_hand == ""
            assert [event for event in events.take() if event.kind == "frozen"] == []


async def test_a_timer_may_have_any_key() -> None:
    """The keys of an actor's timers are its own: none of them touches what its spec says."""

    class Keyed(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            self.after(1000, message, key="lifetime")

    async with System() as system:
        ref = await system.start(temporary(lambda: Keyed("a", []), lifetime=60))
        ref.cast(Say("later"))
        await anyio.sleep(100)
        assert not ref.alive


class Linking(Player):
    """Links to whom it was made to."""

    def __init__(self, other: Ref, *, trap: bool = False) -> None:
        super().__init__("linking", [])
        self.other = other
        self.trap_exits = trap

    @on(Say)
    def say(self, message: Say) -> None:
        self.link(self.other)


async def test_who_traps_exits_may_link_to_the_dead() -> None:
    """A trapping actor hears of an end that was before the link as it would of one after it."""
    async with System() as system:
        other = await system.start(player("other", [], restart="temporary"))
        other.cast(Crash())
        await system.join(other)
        ref = await system.start(temporary(lambda: Linking(other, trap=True)))
        ref.cast(Say("link"))
        await anyio.wait_all_tasks_blocked()
        assert ref.alive


async def test_a_link_to_one_who_ended_normally_changes_nothing() -> None:
    """Only other than normal ends are shared, whether they come before the link or after."""
    async with System() as system:
        other = await system.start(player("other", [], restart="temporary"))
        other.cast(Leave(Normal()))
        await system.join(other)
        ref = await system.start(temporary(lambda: Linking(other)))
        ref.cast(Say("link"))
        await anyio.wait_all_tasks_blocked()
        assert ref.alive


async def test_a_watched_handler_that_recovers_may_be_reported_again() -> None:
    """Each message that takes too long is one report; the next one that does is another."""
    async with System(handler_budget=10) as system:
        ref = await system.start(player("a", []))
        with system.subscribe() as events:
            for _ in range(2):
                await ref.call(Wait(60), timeout=100)
            assert [event.path for event in events.take() if event.kind == "frozen"] == ["/a", "/a"]


async def test_a_frozen_start_is_its_start_timeouts_affair() -> None:
    """An actor that has no message in hand is never reported as frozen."""

    class Sleepy(Player):
        async def started(self) -> None:
            await anyio.sleep(25)

    async with System(handler_budget=10) as system:
        with system.subscribe() as events:
            ref = await system.start(temporary(lambda: Sleepy("a", [])))
            ref.cast(Hang())
            await anyio.sleep(1)
            assert [event for event in events.take() if event.kind == "frozen" and event.path == "/it"] == []
            system.kill(ref)


async def test_addresses_that_are_equal_hash_alike() -> None:
    """Whoever keeps addresses in a set finds an actor by its name, as long as the two are equal."""
    async with System() as system:
        ref = await system.start(player("a", []))
        name = system.lookup("/a")
        assert (name == ref) is (len({name, ref}) == 1)
