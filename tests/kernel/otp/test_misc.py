"""Trees, counts, names, loops of failing restarts and the order of things: the rest of OTP's supervisor suite."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import anyio
import pytest

from greenroom.kernel import Backoff, ChildSpec, Normal, Ref, Shutdown, Supervisor, System
from tests.kernel.otp.family import alive, children, counts, end, for_the_stopped, forget, planned, players, top
from tests.kernel.players import Leave, Player, Say, player

pytestmark = pytest.mark.anyio

STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one", "dynamic"]


def branch(name: str, log: list[str], leaves: str, **options: Any) -> ChildSpec:  # noqa: ANN401
    """A supervisor of players."""
    return ChildSpec(name, lambda: Supervisor(players(leaves, log), intensity=0), **options)


async def test_tree() -> None:
    """In a tree, a failure is repaired at the lowest level that can.

    A supervisor that comes back has its first children again, not those that were added, and also those that had been
    stopped by call.
    """
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top([branch("x", log, "ab"), branch("y", log, "c")], intensity=1))
        y = system.cells["/top/y"].ref
        await system.cells["/top/y"].ref.call(Supervisor.StartChild(player("added", log)))
        await y.call(Supervisor.StopChild("c"))
        x, c = system.cells["/top/x"].ref, system.cells["/top/y/added"].ref
        assert (counts(system), counts(system, "/top/x"), counts(system, "/top/y")) == ((2, 2), (2, 2), (2, 1))
        await end(system, "/top/x/a", "crash")
        assert (x.alive, y.alive, c.alive) == (False, True, True)
        assert alive(system) == ["/top", "/top/x", "/top/x/a", "/top/x/b", "/top/y", "/top/y/added"]
        await end(system, "/top/y/added", "kill")  # one escalation too many for the top
        assert not ref.alive
        assert alive(system) == []


async def test_tree_comes_back() -> None:
    """A supervisor that is restarted starts what it was declared with: not the added, but also the stopped."""
    log: list[str] = []
    async with System() as system:
        await system.start(top([branch("x", log, "ab", restart="permanent")]))
        x = system.cells["/top/x"].ref
        await x.call(Supervisor.StartChild(player("added", log)))
        await x.call(Supervisor.StopChild("b"))
        assert alive(system) == ["/top", "/top/x", "/top/x/a", "/top/x/added"]
        await end(system, "/top/x/a", "crash")
        assert alive(system) == ["/top", "/top/x", "/top/x/a", "/top/x/b"]


async def test_tree_restarts_a_stopped_branch() -> None:
    """A transient branch that had been stopped comes back when its supervisor is restarted."""
    log: list[str] = []

    def middle() -> Supervisor:
        return Supervisor([branch("x", log, "a", restart="transient"), player("b", log)], intensity=0)

    async with System() as system:
        await system.start(top([ChildSpec("middle", middle)]))
        await system.lookup("/top/middle").call(Supervisor.StopChild("x"))
        assert alive(system) == ["/top", "/top/middle", "/top/middle/b"]
        await end(system, "/top/middle/b", "kill")
        assert alive(system) == ["/top", "/top/middle", "/top/middle/b", "/top/middle/x", "/top/middle/x/a"]


async def test_count_children() -> None:
    """Counts are exact however many there are, the same when asked again, and zero when all are gone."""
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        for number in range(500):
            await ref.call(Supervisor.StartChild(player(str(number), [], restart="temporary")))
        assert (counts(system), counts(system)) == ((500, 500), (500, 500))
        for number in range(500):
            system.kill(system.lookup(f"/top/{number}"))
        await anyio.wait_all_tasks_blocked()
        assert counts(system) == (0, 0)


async def test_count_children_supervisor() -> None:
    """Supervisors as children count like any others."""
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        for number in range(100):
            await ref.call(Supervisor.StartChild(branch(str(number), [], "a", restart="temporary")))
        assert counts(system) == (100, 100)
        assert len(alive(system)) == 201
        for number in range(100):
            system.kill(system.lookup(f"/top/{number}"))
        await anyio.wait_all_tasks_blocked()
        assert counts(system) == (0, 0)
        assert alive(system) == ["/top"]


async def test_count_restarting_children() -> None:
    """Children that wait for their restart have specs but do not run; they can be stopped meanwhile."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(players("abc", log), intensity=10, backoff=Backoff(first=60)))
        for name in "ab":
            await end(system, f"/top/{name}", "kill")
        shown = children(system)
        assert (shown.specs, shown.active, shown.restarting) == (3, 1, 2)
        assert await ref.call(Supervisor.StopChild("a"))
        shown = children(system)
        assert (shown.specs, shown.active, shown.restarting) == (3, 1, 1)
        await anyio.sleep(600)
        assert alive(system) == ["/top", "/top/b", "/top/c"]


async def test_get_callback_module() -> None:
    """Whoever looks sees which class an actor is of."""

    class Director(Supervisor):
        pass

    async with System() as system:
        await system.start(ChildSpec("top", Director))
        assert [row.kind for row in system.tree("/top")] == ["Director"]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_do_not_save_start_parameters_for_temporary_children(strategy: str) -> None:
    """What a temporary child was started with is not held any more once it has ended."""

    class Heavy:
        pass

    async with System() as system:
        ref = await system.start(top(strategy=strategy))
        heavy = Heavy()
        held = weakref.ref(heavy)
        spec = ChildSpec("a", lambda heavy=heavy: Player(str(heavy), []), restart="temporary")  # type: ignore[misc]
        await ref.call(Supervisor.StartChild(spec))
        del heavy, spec
        await end(system, "/top/a", Normal())
        await forget(ref)
        assert held() is None


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("how", ["kill", "normal", "crash", "by call"])
async def test_do_not_save_child_specs_for_temporary_children(strategy: str, restart: str, how: str) -> None:
    """After any end, the id of a temporary child is free; that of any other is taken, unless its supervisor is dynamic.

    A dynamic supervisor keeps only what it restarts.
    """
    spec = player("a", [], restart=restart)
    async with System() as system:
        ref = await system.start(top(strategy=strategy))
        await ref.call(Supervisor.StartChild(spec))
        if how == "by call":
            await ref.call(Supervisor.StopChild("a"))
        else:
            await end(system, "/top/a", Normal() if how == "normal" else how)
        came_back = how != "by call" and (restart == "permanent" or (restart == "transient" and how != "normal"))
        if restart == "temporary" or (strategy == "dynamic" and not came_back):
            assert (await ref.call(Supervisor.StartChild(spec))).alive
        else:
            assert system.lookup("/top/a").alive is came_back
            with pytest.raises(ValueError, match="already has a child 'a'"):
                await ref.call(Supervisor.StartChild(spec))


async def test_simple_global_supervisor() -> None:
    """A name leads to whoever holds it now, through every kind of end, and is free after the last."""
    async with System() as system:
        await system.start(top([branch("x", [], "a")], intensity=10))
        name, seen = system.lookup("/top/x/a"), set[Ref]()
        for path, how in (("/top/x", "kill"), ("/top/x/a", "kill"), ("/top/x/a", Normal())):
            seen.add(system.cells["/top/x/a"].ref)
            await end(system, path, how)
            assert name.alive
            assert system.cells["/top/x/a"].ref not in seen
        name.cast(Say("still here"))
        await system.stop_child("top")
        assert not name.alive
        assert (await system.start(top([branch("x", [], "a")]))).alive


def loop(log: list[str], *more: ChildSpec, **options: Any) -> ChildSpec:  # noqa: ANN401
    """A supervisor whose child ``a`` comes up once and never again, and which never gives up."""
    plan = itertools.chain(["ok"], itertools.repeat("fail"))
    return top([planned("a", log, plan), *more], intensity=10**9, **options)


async def fail_often(system: System, path: str) -> None:
    """End this child, and watch some of its restarts fail."""
    with system.subscribe() as events:
        system.lookup(path).cast(Leave())
        tries = 0
        async for event in events:
            tries += event.kind == "restarting"
            if tries > 3:
                return


async def test_hanging_restart_loop() -> None:
    """In a loop of failing restarts a supervisor answers calls, can stop the child, and leaves the others alone."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(loop(log, player("b", log)))
        await fail_often(system, "/top/a")
        assert children(system).restarting == 1
        with pytest.raises(ValueError, match="already has a child 'a'"):
            await ref.call(Supervisor.StartChild(player("a", log)))
        for message in for_the_stopped("a"):
            with pytest.raises(ValueError, match="child 'a' is restarting"):
                await ref.call(message)
        assert system.lookup("/top/b").alive
        assert await ref.call(Supervisor.StopChild("a")) is True
        assert (children(system).restarting, counts(system)) == (0, (2, 1))
        tries = log.count("a fails")
        assert tries > 3
        await anyio.sleep(60)
        assert log.count("a fails") == tries
        await ref.call(Supervisor.DeleteChild("a"))
        assert counts(system) == (1, 1)


async def test_hanging_restart_loop_shutdown() -> None:
    """A supervisor can be shut down in the middle of a loop of failing restarts."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(loop(log, player("b", log)))
        await fail_often(system, "/top/a")
        await system.stop_child("top")
        assert await system.join(ref) == Shutdown()
    assert log[-1] == "b stops: Shutdown"


async def test_hanging_restart_loop_bounded_mailbox() -> None:
    """However small the mailbox of a supervisor and however full, it can try a restart again."""
    log: list[str] = []
    spec = ChildSpec("top", lambda: Supervisor([planned("a", log, ["ok", "fail"])], intensity=5), mailbox=1)
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(spec)
        system.suspend(ref)
        group.start_soon(ref.call, Supervisor.StopChild("nobody"))
        await anyio.wait_all_tasks_blocked()
        await end(system, "/top/a", "kill")
        system.suspend(ref, on=False)
        await anyio.wait_all_tasks_blocked()
        assert ref.alive
        assert log == ["a starts", "a fails", "a starts"]


async def test_hanging_restart_loop_rest_for_one() -> None:
    """While an earlier child cannot come back, the later ones are down, and the ones before it up."""
    log: list[str] = []
    plan = itertools.chain(["ok"], itertools.repeat("fail"))
    specs = [player("a", log), planned("b", log, plan), player("c", log)]
    async with System() as system:
        ref = await system.start(top(specs, strategy="rest_for_one", intensity=10**9))
        await fail_often(system, "/top/b")
        assert "/top/a" in alive(system)
        assert "/top/c" not in alive(system)
        with pytest.raises(ValueError, match="child 'b' is restarting"):
            await ref.call(Supervisor.RestartChild("b"))
        assert await ref.call(Supervisor.StopChild("b")) is True
        assert (alive(system), counts(system)) == (["/top", "/top/a"], (3, 1))
        assert (await ref.call(Supervisor.RestartChild("c"))).alive
        await system.stop_child("top")
        assert await system.join(ref) == Shutdown()


async def test_hanging_restart_loop_simple() -> None:
    """The same under a dynamic supervisor, which forgets the child once it is stopped."""
    log: list[str] = []
    plan = itertools.chain(["ok"], itertools.repeat("fail"))
    async with System() as system:
        ref = await system.start(top(strategy="dynamic", intensity=10**9))
        await ref.call(Supervisor.StartChild(planned("a", log, plan)))
        await fail_often(system, "/top/a")
        assert (counts(system), children(system).restarting) == ((1, 0), 1)
        assert await ref.call(Supervisor.StopChild("a")) is True
        assert counts(system) == (0, 0)
        assert ref.alive


async def test_code_change() -> None:
    """Settings of a supervisor that are changed while it runs hold from then on; its children are not touched."""
    log: list[str] = []

    def change(supervisor: Supervisor) -> None:
        supervisor.strategy = "one_for_all"

    async with System() as system:
        ref = await system.start(top(players("ab", log), intensity=5))
        await end(system, "/top/a", "kill")
        system.change(ref, change)
        await anyio.wait_all_tasks_blocked()
        assert log == ["a starts", "b starts", "a starts"]
        await end(system, "/top/a", "kill")
        assert log[3:] == ["b stops: Shutdown", "a starts", "b starts"]


async def test_order_of_children() -> None:
    """Children start in the order given and stop in reverse, in a restart as well as at the end."""
    log: list[str] = []
    async with System() as system:
        await system.start(top(players("abcde", log), strategy="rest_for_one"))
        assert log == [f"{name} starts" for name in "abcde"]
        del log[:]
        await end(system, "/top/b", "kill")
        assert log == [*(f"{name} stops: Shutdown" for name in "edc"), *(f"{name} starts" for name in "bcde")]
        del log[:]
        await system.stop_child("top")
        assert log == [f"{name} stops: Shutdown" for name in "edcba"]


async def test_order_of_added_children() -> None:
    """A child that is added comes after all others."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(players("ab", log), strategy="rest_for_one"))
        await ref.call(Supervisor.StartChild(player("added", log)))
        await ref.call(Supervisor.StopChild("a"))
        await ref.call(Supervisor.RestartChild("a"))  # it keeps its place
        del log[:]
        await system.stop_child("top")
        assert log == ["added stops: Shutdown", "b stops: Shutdown", "a stops: Shutdown"]


async def test_which_children() -> None:
    """A child is found by its path, until it is stopped or if there never was one."""
    async with System() as system:
        ref = await system.start(top(players("ab", [])))
        shown = system.inspect("/top")
        assert shown is not None
        assert shown.children == ("/top/a", "/top/b")
        await ref.call(Supervisor.StopChild("a"))
        assert system.inspect("/top/a") is None
        assert system.inspect("/top/c") is None
        assert [row.path for row in system.tree("/top")] == ["/top", "/top/b"]


async def test_which_children_simple_one_for_one() -> None:
    """The same for children of a dynamic supervisor."""
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        for name in "ab":
            await ref.call(Supervisor.StartChild(player(name, [])))
        await ref.call(Supervisor.StopChild("a"))
        assert [row.path for row in system.tree("/top")] == ["/top", "/top/b"]
