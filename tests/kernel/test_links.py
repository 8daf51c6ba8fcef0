from __future__ import annotations

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import Actor, Crashed, Down, Exit, Killed, Normal, Ref, Shutdown, System, on
from greenroom.kernel._exit import NoProc
from tests.kernel.players import Crash, Leave, Player, player, temporary

pytestmark = pytest.mark.anyio


class Watch(Struct, frozen=True):
    ref: Ref


class Bind(Struct, frozen=True):
    ref: Ref


class Watcher(Player):
    """Monitors and links whom it is told to, and keeps what it hears."""

    def __init__(self, log: list[str] | None = None, *, trap: bool = False) -> None:
        super().__init__("watcher", [] if log is None else log)
        self.trap_exits = trap
        self.downs: list[Down] = []

    @on(Watch)
    def watch(self, message: Watch) -> None:
        self.monitor(message.ref)

    @on(Bind)
    def bind_to(self, message: Bind) -> None:
        self.link(message.ref)

    @on(Down)
    def down(self, message: Down) -> None:
        self.downs.append(message)


@pytest.mark.parametrize("exit", [Normal(), Shutdown("done")])
async def test_a_monitor_hears_exactly_once_how_it_ended(exit: Exit) -> None:
    """Whatever the end, one `Down` arrives, with the address and the exit."""
    watcher = Watcher()
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        ref = await system.start(temporary(lambda: watcher, "watcher"))
        ref.cast(Watch(one))
        await anyio.wait_all_tasks_blocked()
        one.cast(Leave(exit))
        await anyio.wait_all_tasks_blocked()
        assert watcher.downs == [Down(one, exit)]


async def test_a_monitor_of_the_dead_hears_at_once() -> None:
    """Monitoring an actor that has ended is no race: `Down` comes all the same."""
    watcher = Watcher()
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        one.cast(Crash("early"))
        exit = await system.join(one)
        ref = await system.start(temporary(lambda: watcher, "watcher"))
        ref.cast(Watch(one))
        ref.cast(Watch(system.lookup("/never/was")))
        await anyio.wait_all_tasks_blocked()
        assert [down.exit for down in watcher.downs] == [exit, NoProc()]


async def test_a_monitor_of_a_name_hears_that_name() -> None:
    """Who monitors a name gets it back, and can tell by it what has ended."""
    watcher = Watcher()
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        ref = await system.start(temporary(lambda: watcher, "watcher"))
        ref.cast(Watch(system.lookup("/one")))
        ref.cast(Watch(one))
        await anyio.wait_all_tasks_blocked()
        one.cast(Leave())
        await anyio.wait_all_tasks_blocked()
        assert watcher.downs == [Down(system.lookup("/one"), Normal()), Down(one, Normal())]


async def test_the_death_of_a_monitor_disturbs_nobody() -> None:
    """Who is monitored neither notices nor minds."""
    async with System() as system:
        one = await system.start(player("one", []))
        ref = await system.start(temporary(Watcher, "watcher"))
        ref.cast(Watch(one))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("watcher")
        await system.stop_child("one")
        assert system.dead_letters == 0


async def test_monitoring_needs_a_handler() -> None:
    """An actor that could not hear of it is told so when it asks to."""

    class Deaf(Actor):
        @on(Watch)
        def watch(self, message: Watch) -> None:
            self.monitor(message.ref)

    async with System() as system:
        ref = await system.start(temporary(Deaf))
        ref.cast(Watch(ref))
        exit = await system.join(ref)
        assert isinstance(exit, Crashed)
        assert "no handler for Down" in str(exit.exception)


@pytest.mark.parametrize("crashing", ["one", "watcher"])
async def test_linked_actors_share_a_bad_end(crashing: str) -> None:
    """A link works both ways: the crash of either ends the other, with the same exit and in order."""
    log: list[str] = []
    async with System() as system:
        one = await system.start(player("one", log, restart="temporary"))
        ref = await system.start(temporary(lambda: Watcher(log), "watcher"))
        ref.cast(Bind(one))
        await anyio.wait_all_tasks_blocked()
        first, second = (one, ref) if crashing == "one" else (ref, one)
        first.cast(Crash("together"))
        exit = await system.join(second)
        assert isinstance(exit, Crashed)
        assert str(exit.exception) == "together"
    assert sorted(log[2:]) == ["one stops: Crashed", "watcher stops: Crashed"]


async def test_a_normal_end_breaks_a_link_without_harm() -> None:
    """Who ends normally takes nobody along, and is forgotten."""
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        ref = await system.start(temporary(Watcher, "watcher"))
        ref.cast(Bind(one))
        await anyio.wait_all_tasks_blocked()
        one.cast(Leave())
        await anyio.wait_all_tasks_blocked()
        shown = system.inspect("/watcher")
        assert shown is not None
        assert shown.links == ()


async def test_who_traps_exits_is_told_instead() -> None:
    """A trapping actor gets the end of a linked one as a message, also when it was killed, and lives on."""
    watcher = Watcher(trap=True)
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        ref = await system.start(temporary(lambda: watcher, "watcher"))
        ref.cast(Bind(one))
        await anyio.wait_all_tasks_blocked()
        system.kill(one)
        await anyio.wait_all_tasks_blocked()
        assert watcher.downs == [Down(one, Killed())]
        assert ref.alive


async def test_linking_to_the_dead_shares_its_end() -> None:
    """A link to an actor that has crashed already ends the one that asks for it."""
    async with System() as system:
        one = await system.start(player("one", [], restart="temporary"))
        one.cast(Crash("before"))
        exit = await system.join(one)
        ref = await system.start(temporary(Watcher, "watcher"))
        ref.cast(Bind(one))
        assert await system.join(ref) == exit


@pytest.mark.parametrize("trap", [False, True])
async def test_linking_to_a_name_that_nobody_holds_is_fatal(*, trap: bool) -> None:
    """Whoever wants to share the fate of nobody ends as OTP's processes do, or is told if it traps exits."""
    watcher = Watcher(trap=trap)
    async with System() as system:
        ref = await system.start(temporary(lambda: watcher, "watcher"))
        nobody = system.lookup("/never/was")
        ref.cast(Bind(nobody))
        await anyio.wait_all_tasks_blocked()
        assert ref.alive == trap
        assert await system.join(ref) == NoProc() if not trap else watcher.downs == [Down(nobody, NoProc())]
