from __future__ import annotations

import anyio
import pytest

from greenroom.kernel import (
    Actor,
    ChildSpec,
    Exit,
    Killed,
    NotDelivered,
    Ref,
    Shutdown,
    StartFailed,
    Supervisor,
    System,
    on,
)
from greenroom.kernel._errors import SystemFailed
from greenroom.kernel._system import live_systems
from tests.kernel.players import Crash, Hang, Heard, Player, Say, paths, player, temporary

pytestmark = pytest.mark.anyio


def nested(log: list[str]) -> ChildSpec:
    """``/top`` with two players and a supervisor of one more."""
    inner = ChildSpec("inner", lambda: Supervisor([player("c", log)]))
    return ChildSpec("top", lambda: Supervisor([player("a", log), inner, player("b", log)]))


ENDS = ["b stops: Shutdown", "c stops: Shutdown", "a stops: Shutdown"]


async def test_leaving_stops_everybody_in_order() -> None:
    """At the end of the block the whole tree is taken down, deepest and last first."""
    log: list[str] = []
    async with System() as system:
        await system.start(nested(log))
        assert live_systems() == [system]
    assert log[3:] == ENDS
    assert live_systems() == []


async def test_an_error_in_the_block_stops_everybody_in_order() -> None:
    """The error comes out once all is down."""
    log: list[str] = []

    async def program() -> None:
        async with System() as system:
            await system.start(nested(log))
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await program()
    assert log[3:] == ENDS


async def test_a_cancellation_from_outside_is_an_orderly_stop() -> None:
    """A deadline round the block does not hit every task at once: actors still stop one by one, with their budgets."""

    class Slow(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(2)
            await super().stopped(exit)

    log: list[str] = []
    with anyio.move_on_after(10) as deadline:
        async with System() as system:
            for name in "ab":
                await system.start(ChildSpec(name, lambda name=name: Slow(name, log)))  # type: ignore[misc]
            await anyio.sleep_forever()
    assert deadline.cancelled_caught
    assert sorted(log) == ["a starts", "a stops: Shutdown", "b starts", "b stops: Shutdown"]
    assert anyio.current_time() == 12


async def test_a_cancellation_while_entering_leaves_nothing() -> None:
    """A block that is cancelled before its first line runs is left like any other."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with System() as system:
            await system.start(player("a", []))
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert live_systems() == []


async def test_leaving_has_a_deadline_for_all() -> None:
    """What has not ended when the system's time is up is killed, however long its own budget is."""
    log: list[str] = []
    began = 0.0
    async with System(shutdown=7) as system:
        ref = await system.start(player("a", log, shutdown=1000))
        ref.cast(Hang())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
    assert anyio.current_time() - began == 7
    assert log == ["a starts"]


async def test_a_strict_system_must_be_left_empty() -> None:
    """In tests, leaving with live actors is an error that names them; they are stopped all the same."""
    log: list[str] = []
    with pytest.raises(RuntimeError, match="left with live actors: /top, /top/a, /top/inner, /top/inner/c, /top/b"):
        async with System(strict=True) as system:
            await system.start(nested(log))
    assert log[3:] == ENDS
    async with System(strict=True) as system:
        await system.start(nested(log))
        await system.stop_child("top")


async def test_a_system_whose_root_gives_up_ends_its_block() -> None:
    """Failures that nobody could repair cancel the block and come out of it, with the cause."""

    async def program() -> None:
        async with System(intensity=0) as system:
            ref = await system.start(player("a", []))
            ref.cast(Crash())
            await anyio.sleep_forever()

    with pytest.raises(SystemFailed, match="told to"):
        await program()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_in_an_actor_ends_the_program(error: type[BaseException]) -> None:
    """What is meant for the program is neither swallowed nor restarted."""

    class Interrupted(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            raise error

    log: list[str] = []
    caught: list[BaseException] = []
    try:
        async with System() as system:
            (await system.start(ChildSpec("a", lambda: Interrupted("a", log)))).cast(Say("now"))
            await anyio.sleep_forever()
    except error as interrupt:
        caught.append(interrupt)
    assert len(caught) == 1
    assert log.count("a starts") == 1


async def test_the_tree_is_read_without_asking_anybody() -> None:
    """A snapshot shows every actor with its state, parents first, also one that is stuck in a handler."""
    async with System() as system:
        await system.start(nested([]))
        system.lookup("/top/b").cast(Hang())
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            system.lookup("/top/b").cast(Say("later"))
        rows = {row.path: row for row in system.tree()}
        assert list(rows) == ["/", "/top", "/top/a", "/top/inner", "/top/inner/c", "/top/b"]
        assert [row.path for row in system.tree("/top/inner")] == ["/top/inner", "/top/inner/c"]
        assert system.tree("/nobody") == []
        stuck = rows["/top/b"]
        assert (stuck.kind, stuck.state, stuck.in_hand, stuck.mailbox) == ("Player", "running", "Hang", 3)
        detail = system.inspect("/top/b")
        assert detail is not None
        assert detail.waiting == ("Say",) * 3
        assert any("hang" in frame for frame in detail.stack)
        assert system.inspect("/nobody") is None
        system.kill(system.lookup("/top/b"))


async def test_the_tree_shows_restarts_and_the_last_crash() -> None:
    """A restarted actor is marked as such, and still says what its predecessor died of."""
    async with System() as system:
        ref = await system.start(player("a", []))
        ref.cast(Crash("the wire is cut"))
        await system.join(ref)
        await anyio.wait_all_tasks_blocked()
        [_, row] = system.tree()
        assert row.restarts == 1
        detail = system.inspect("/a")
        assert detail is not None
        assert "the wire is cut" in detail.last_crash


async def test_events_tell_a_life() -> None:
    """A subscriber hears of start, crash, restart and stop, in order and with times."""
    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(player("a", []))
            await anyio.sleep(5)
            ref.cast(Crash("told to"))
            await system.join(ref)
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("a")
            told = [(event.kind, event.path) for event in events.take()]
        assert told == [(kind, "/a") for kind in ("started", "crashed", "restarting", "started", "stopped")]


async def test_a_subscriber_that_does_not_read_slows_nobody_down() -> None:
    """A full subscription drops its oldest events and counts them."""
    async with System() as system:
        with system.subscribe(limit=3) as events:
            for number in range(5):
                await system.start(player(str(number), []))
            assert [event.path for event in events.take()] == ["/2", "/3", "/4"]
            assert events.missed == 2


async def test_a_subscription_ends_with_the_system() -> None:
    """Whoever iterates gets what is left, and then the end."""
    seen: list[str] = []

    async def listen() -> None:
        with system.subscribe() as events:
            seen.extend([event.kind async for event in events])

    async with anyio.create_task_group() as group, System() as system:
        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        await system.start(player("a", []))
    assert seen == ["started", "stopped", "stopped"]


async def test_groups_hold_their_living_members() -> None:
    """Members are listed in the order they joined; an end, or leaving once per joining, removes them."""

    class Member(Player):
        async def started(self) -> None:
            self.join("choir")
            self.join("choir")

        @on(Say)
        def say(self, message: Say) -> None:
            self.leave("choir")

    async with System() as system:
        one = await system.start(temporary(lambda: Member("a", []), "a"))
        two = await system.start(temporary(lambda: Member("b", []), "b"))
        assert system.members("choir") == [one, one, two, two]
        one.cast(Say("leave"))
        two.cast(Crash())
        await anyio.wait_all_tasks_blocked()
        assert system.members("choir") == [one]
        assert system.members("orchestra") == []


async def test_state_can_be_changed_between_two_messages() -> None:
    """A repair by hand sees the actor as a message would, never in the middle of one."""
    async with System() as system:
        ref = await system.start(player("a", []))

        def add(actor: Player) -> None:
            actor.heard.append("from outside")

        ref.cast(Say("one"))
        system.change(ref, add)
        ref.cast(Say("two"))
        heard = await ref.call(Heard())
        assert sorted(heard) == ["from outside", "one", "two"]


async def test_two_systems_know_nothing_of_each_other() -> None:
    """There is no default system: names, counts and ends are each system's own."""
    async with System("one") as one, System("two") as two:
        await one.start(player("a", []))
        await two.start(player("a", []))
        await one.stop_child("a")
        one.lookup("/a").cast(Say("hello?"))
        assert (one.dead_letters, two.dead_letters) == (1, 0)
        assert paths(two) == ["/a"]


async def test_a_name_is_free_again_after_its_holder() -> None:
    """The same id can be started again as soon as its holder has ended, and not before."""
    async with System() as system:
        await system.start(player("a", []))
        with pytest.raises(ValueError, match="already has a child 'a'"):
            await system.start(player("a", []))
        assert await system.stop_child("a") is True
        assert await system.stop_child("a") is False
        assert (await system.start(player("a", []))).alive


async def test_join_tells_how_it_ended_also_afterwards() -> None:
    """Waiting for an end works before, and just as well after it."""
    async with System() as system:
        ref = await system.start(player("a", [], restart="temporary"))
        system.kill(ref)
        assert await system.join(ref) == Killed()
        assert await system.join(ref) == Killed()
        other = await system.start(player("b", []))
        await system.stop_child("b")
        assert await system.join(other) == Shutdown()


async def test_a_wait_for_an_end_that_is_given_up_leaves_nothing_behind() -> None:
    """However often somebody waits for an actor's end for a while only, the actor does not remember them."""
    async with System() as system:
        ref = await system.start(player("a", []))
        for _ in range(100):
            with anyio.move_on_after(1):
                await system.join(ref)
        cell = ref.resolve()
        assert cell is not None
        assert not cell.watchers


async def test_an_actor_that_cannot_be_made_is_a_failed_start() -> None:
    """An error in the constructor is told like one in ``started``, and the supervisor goes on."""
    log: list[str] = []
    async with System() as system:
        with pytest.raises(StartFailed, match=r"a did not start.*takes no arguments"):
            await system.start(ChildSpec("a", lambda: Unmakeable("a")))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        await system.start(player("a", log))
        assert paths(system) == ["/a"]


class Unmakeable(Actor):
    pass


async def test_calls_after_the_system_was_left_are_not_delivered() -> None:
    """An address that outlived its system is as dead as any."""
    refs: list[Ref] = []
    async with System() as system:
        refs.append(await system.start(player("a", [])))
    with pytest.raises(NotDelivered):
        await refs[0].call(Heard())
    refs[0].cast(Say("hello?"))
    assert system.dead_letters == 2
