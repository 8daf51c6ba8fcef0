"""Children that their supervisor can do without."""

from __future__ import annotations

import logging
from typing import Any, Literal

import anyio
import pytest

from greenroom.kernel import Actor, Backoff, ChildSpec, Crashed, Escalation, Ref, Shutdown, Supervisor, System
from greenroom.kernel._supervisor import Children
from tests.kernel.players import Crash, player
from tests.kernel.troupe import Unstartable, crash, leave, supervisor

pytestmark = pytest.mark.anyio

REST = 30.0


def stage(log: list[str], **options: Any) -> ChildSpec:  # noqa: ANN401 - options of all types
    """A supervisor of one child that matters and one that does not; two failures in ten seconds are borne."""
    children = [player("needed", log), player("spare", log, rest=REST)]
    return supervisor(children, **({"intensity": 2, "period": 10.0} | options))


async def give_up(system: System) -> None:
    """Crash the child that does not matter once more than is allowed."""
    for _ in range(3):
        await crash(system, "/top/spare")


def running(system: System) -> list[str]:
    """Paths of those that run."""
    return [row.path for row in system.tree()[1:] if row.state == "running"]


def children_of(system: System) -> Children:
    """What the supervisor shows."""
    found = system.inspect("/top")
    assert found is not None
    assert isinstance(found.observed, Children)
    return found.observed


async def test_a_child_that_can_be_done_without_is_given_up_alone() -> None:
    """One failure more than is allowed ends neither its supervisor nor its sibling; it just is not there any more."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(stage(log))
        await give_up(system)
        assert running(system) == ["/top", "/top/needed"]
        assert log.count("needed starts") == 1
        await anyio.sleep(REST - 1)
        assert top.alive
        assert log.count("spare starts") == 3


async def test_it_is_started_again_after_its_rest() -> None:
    """The rest is kept to the second, and afterwards the child may fail as often as before, and be given up again."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(stage(log))
        for _ in range(20):
            assert running(system) == ["/top", "/top/needed", "/top/spare"]
            await give_up(system)
            await anyio.sleep(REST - 0.5)
            assert running(system) == ["/top", "/top/needed"]
            await anyio.sleep(1)
        assert top.alive
        assert log.count("needed starts") == 1


async def test_its_failures_are_counted_for_it_alone() -> None:
    """What a spare child fails is not held against the others, nor their failures against it."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(stage(log))
        await give_up(system)
        await crash(system, "/top/needed")
        await crash(system, "/top/needed")
        assert top.alive
        system.lookup("/top/needed").cast(Crash("the last straw"))
        exit = await system.join(top)
        assert isinstance(exit, Shutdown)
        assert isinstance(exit.info, Escalation)
        assert exit.info.child == "needed"


async def test_whoever_looks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A log line, an event, a row in the tree in the child's own place, and the supervisor's state all say why."""
    async with System() as system:
        children = [player("a", [], rest=REST), player("b", [])]
        await system.start(supervisor(children, intensity=0, period=10.0))
        with system.subscribe() as events, caplog.at_level(logging.WARNING, "greenroom.kernel"):
            await crash(system, "/top/a")
            (event,) = (event for event in events.take() if event.kind == "given_up")
        await anyio.sleep(10)
        rows = system.tree("/top")
        assert [(row.path, row.state) for row in rows] == [
            ("/top", "running"),
            ("/top/a", "given up"),
            ("/top/b", "running"),
        ]
        assert system.tree("/top/a") == [rows[1]] == system.resting("/top")
        assert (round(rows[1].age), rows[1].restarts) == (10, 0)
        why = "1 failure within 10 s, the last one Crashed(LookupError('told to') on Crash)"
        assert rows[1].trouble == f"{why}; it is started again in 20 s"
        assert (event.path, event.detail) == ("/top/a", f"{why}; it is started again in 30 s")
        assert [rest.id for rest in children_of(system).given_up] == ["a"]
    assert f"/top/a is given up: {why}; it is started again in 30 s" in caplog.messages


async def test_nothing_is_said_of_it_any_more_once_it_is_back() -> None:
    """A child that has rested is a child like any other."""
    async with System() as system:
        await system.start(stage([]))
        await give_up(system)
        await anyio.sleep(REST + 1)
        assert children_of(system).given_up == ()
        assert [row.trouble for row in system.tree("/top")] == ["", "", ""]


async def test_a_supervisor_starts_without_it() -> None:
    """A spare child that cannot start keeps nobody from starting; it is tried again as if it had crashed."""
    log: list[str] = []
    spare = ChildSpec("spare", Unstartable, rest=REST)
    async with System() as system:
        await system.start(supervisor([spare, player("needed", log)], intensity=3, period=10.0))
        await anyio.wait_all_tasks_blocked()
        assert log == ["needed starts"]
        (rest,) = children_of(system).given_up
        assert "4 failures within" in rest.why


async def test_between_its_restarts_it_backs_off() -> None:
    """The supervisor's backoff is for its spare children too, by their own count."""
    log: list[str] = []
    async with System() as system:
        await system.start(stage(log, backoff=Backoff(first=1.0, factor=2.0, jitter=0.0)))
        await crash(system, "/top/needed")
        await anyio.sleep(1.1)
        await crash(system, "/top/spare")
        assert log.count("spare starts") == 1
        await anyio.sleep(1.1)
        assert log.count("spare starts") == 2


async def test_a_transient_one_that_ends_well_is_let_go() -> None:
    """Only failures count: a spare child that ends normally is not given up."""
    async with System() as system:
        spec = player("spare", [], restart="transient", rest=REST)
        await system.start(supervisor([spec], intensity=0))
        await leave(system, "/top/spare", Shutdown())
        assert children_of(system).given_up == ()


async def test_one_that_rests_can_be_stopped() -> None:
    """Stopping a child that rests ends its rest: it is not started again."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(stage(log))
        await give_up(system)
        assert await top.call(Supervisor.StopChild("spare"))
        assert children_of(system).given_up == ()
        await anyio.sleep(REST + 1)
        assert log.count("spare starts") == 3


async def test_a_dynamic_supervisor_gives_up_its_children_too() -> None:
    """A spare child that was started later is treated like those of the first list."""
    async with System() as system:
        top = await system.start(supervisor([], strategy="dynamic", intensity=2, period=10.0))
        ref: Ref = await top.call(Supervisor.StartChild(player("spare", [], rest=REST)))
        assert ref.alive
        await give_up(system)
        assert [row.state for row in system.tree("/top")] == ["running", "given up"]
        await anyio.sleep(REST + 1)
        assert [row.state for row in system.tree("/top")] == ["running", "running"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_siblings_that_depend_on_it_cannot_do_without(strategy: Literal["one_for_all", "rest_for_one"]) -> None:
    """A strategy that restarts siblings together has no use for a rest, and says so."""
    with pytest.raises(ValueError, match=f"'spare' has a rest, which {strategy} cannot give it"):
        Supervisor([ChildSpec("spare", Actor, rest=REST)], strategy=strategy)


async def test_a_supervisor_that_gives_up_tells_its_children_why() -> None:
    """Children that are stopped since a sibling failed too often learn which one, and how."""
    exits: list[object] = []

    class Witness(Actor):
        async def stopped(self, exit: object) -> None:
            exits.append(exit)

    async with System() as system:
        inner = ChildSpec("inner", lambda: Supervisor([ChildSpec("deep", Witness)]))
        top = await system.start(supervisor([player("a", []), ChildSpec("b", Witness), inner], intensity=0))
        system.lookup("/top/a").cast(Crash("boom"))
        await system.join(top)
    assert len(exits) == 2
    for exit in exits:
        assert isinstance(exit, Shutdown)
        assert isinstance(exit.info, Shutdown)
        assert isinstance(exit.info.info, Escalation)
        assert (exit.info.info.child, type(exit.info.info.exit)) == ("a", Crashed)
