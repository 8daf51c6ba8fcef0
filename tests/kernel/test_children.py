from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from greenroom.kernel import (
    ChildSpec,
    Exit,
    Killed,
    Normal,
    Shutdown,
    StartFailed,
    Supervisor,
    System,
    on,
)
from tests.kernel.players import Crash, Player, Say, paths, player
from tests.kernel.troupe import Unstartable, crash, leave, supervisor, three

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", ["any_significant", "all_significant"])
async def test_significant_children_end_their_supervisor(mode: str) -> None:
    """The normal end of one significant child, or of the last one, ends the supervisor with `Shutdown`."""
    specs = [player(name, [], restart="transient", significant=name != "c") for name in "abc"]
    async with System() as system:
        top = await system.start(supervisor(specs, auto_shutdown=mode))
        await leave(system, "/top/c", Normal())
        assert top.alive
        await leave(system, "/top/a", Normal())
        assert top.alive is (mode == "all_significant")
        await leave(system, "/top/b", Normal())
        assert await system.join(top) == Shutdown()
        assert paths(system) == []


async def test_a_significant_child_that_is_restarted_or_stopped_ends_nobody() -> None:
    """Only an end of its own that is final counts: not a crash that is repaired, not a stop through the supervisor."""
    async with System() as system:
        specs = [player("a", [], restart="transient", significant=True), player("b", [])]
        top = await system.start(supervisor(specs, auto_shutdown="any_significant"))
        await crash(system, "/top/a")
        await top.call(Supervisor.StopChild("a"))
        assert top.alive


async def test_children_are_managed_by_calls() -> None:
    """Start, stop, restart and delete, with an error for each thing that makes no sense."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(supervisor([]))
        first = await top.call(Supervisor.StartChild(player("a", log)))
        with pytest.raises(ValueError, match="/top already has a child 'a'"):
            await top.call(Supervisor.StartChild(player("a", log)))
        with pytest.raises(ValueError, match="child 'a' is running"):
            await top.call(Supervisor.RestartChild("a"))
        with pytest.raises(ValueError, match="child 'a' is running"):
            await top.call(Supervisor.DeleteChild("a"))
        assert await top.call(Supervisor.StopChild("a")) is True
        second = await top.call(Supervisor.RestartChild("a"))
        assert (first.alive, second.alive, second.path) == (False, True, "/top/a")
        await top.call(Supervisor.StopChild("a"))
        await top.call(Supervisor.DeleteChild("a"))
        assert await top.call(Supervisor.StopChild("a")) is False
        with pytest.raises(LookupError, match="/top has no child 'a'"):
            await top.call(Supervisor.RestartChild("a"))
        with pytest.raises(LookupError, match="/top has no child 'a'"):
            await top.call(Supervisor.DeleteChild("a"))
        with pytest.raises(StartFailed, match="never"):
            await top.call(Supervisor.StartChild(ChildSpec("x", Unstartable)))
        assert top.alive


async def test_a_temporary_childs_spec_is_not_kept() -> None:
    """A temporary child that has ended can be started anew under its name, but not restarted."""
    async with System() as system:
        top = await system.start(supervisor([]))
        spec = player("a", [], restart="temporary")
        await top.call(Supervisor.StartChild(spec))
        await leave(system, "/top/a", Normal())
        with pytest.raises(LookupError):
            await top.call(Supervisor.RestartChild("a"))
        assert (await top.call(Supervisor.StartChild(spec))).alive


async def test_no_actor_outlives_its_supervisor() -> None:
    """Children of a supervisor that is killed brutally, or that crashes, end too."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(supervisor(three(log)))
        system.kill(ref)
        await anyio.wait_all_tasks_blocked()
        assert sorted(log[3:]) == ["a stops: Shutdown", "b stops: Shutdown", "c stops: Shutdown"]
        assert paths(system) == []


async def test_a_crash_stays_where_it_is() -> None:
    """A hundred siblings notice nothing of one that crashes."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(supervisor([], strategy="dynamic", intensity=1000))
        specs = [player(str(number), log, restart="temporary") for number in range(100)]
        refs = [await top.call(Supervisor.StartChild(spec)) for spec in specs]
        for ref in refs[::2]:
            ref.cast(Crash())
        await anyio.wait_all_tasks_blocked()
        assert [ref.alive for ref in refs] == [False, True] * 50


class Reporting(Supervisor):
    """Tells what `child_ended` was told."""

    def __init__(self, children: Sequence[ChildSpec]) -> None:
        super().__init__(children)
        self.ended: list[tuple[str, Exit]] = []

    def child_ended(self, id: str, exit: Exit) -> None:
        self.ended.append((id, exit))


async def test_a_subclass_hears_of_children_that_are_gone_for_good() -> None:
    """`child_ended` is called after the books are in order, for ends that are final and nobody asked for."""
    top = Reporting([player("a", [], restart="transient"), player("b", []), player("c", [], restart="temporary")])
    async with System() as system:
        await system.start(ChildSpec("top", lambda: top, restart="temporary"))
        await leave(system, "/top/a", Normal())
        await crash(system, "/top/b")
        await leave(system, "/top/c", Killed())
    assert top.ended == [("a", Normal()), ("c", Killed())]


async def test_siblings_find_each_other_by_name() -> None:
    """A sibling's address resolves at each send, so it survives the sibling's restart."""

    class Talker(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            self.sibling("b").cast(message)
            self.log.append(f"{self.parent.path} > {self.ref.path}")

    log: list[str] = []
    heard: list[str] = []

    class Listener(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            heard.append(message.text)

    specs = [ChildSpec("a", lambda: Talker("a", log)), ChildSpec("b", lambda: Listener("b", []))]
    async with System() as system:
        await system.start(supervisor(specs))
        system.lookup("/top/a").cast(Say("one"))
        await anyio.wait_all_tasks_blocked()
        await crash(system, "/top/b")
        system.lookup("/top/a").cast(Say("two"))
        await anyio.wait_all_tasks_blocked()
    assert heard == ["one", "two"]
    assert "/top > /top/a" in log
