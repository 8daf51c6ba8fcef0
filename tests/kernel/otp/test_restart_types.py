"""Who is restarted after which end: cases ``permanent_*``, ``transient_*``, ``temporary_*`` and their neighbours."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from greenroom.kernel import ChildSpec, Crashed, Exit, Normal, Ref, Shutdown, StartFailed, Supervisor, System
from tests.kernel.otp.family import ODD, Broken, alive, counts, end, players, top
from tests.kernel.players import player

pytestmark = pytest.mark.anyio

SHUTDOWNS = [Shutdown(), Shutdown("enough")]
ABNORMAL = ["crash", "kill", ODD]


async def ended(system: System, restart: Any, how: Exit | str) -> tuple[Ref, Ref]:  # noqa: ANN401
    """The supervisor of one child that has ended, and the child's first incarnation."""
    ref = await system.start(top([player("a", [], restart=restart)], intensity=2, period=3600))
    first = system.cells["/top/a"].ref
    await end(system, "/top/a", how)
    assert (ref.alive, first.alive) == (True, False)
    return ref, first


def restarted(system: System, first: Ref) -> None:
    """Somebody else has the name."""
    assert counts(system) == (1, 1)
    assert system.lookup("/top/a").alive
    assert system.lookup("/top/a") != first


async def kept(system: System, ref: Ref) -> None:
    """Nobody has the name, and the spec can be started again."""
    assert counts(system) == (1, 0)
    assert (await ref.call(Supervisor.RestartChild("a"))).alive
    assert counts(system) == (1, 1)


async def forgotten(system: System, ref: Ref) -> None:
    """Nobody has the name, and it is free."""
    assert counts(system) == (0, 0)
    with pytest.raises(LookupError):
        await ref.call(Supervisor.RestartChild("a"))
    assert (await ref.call(Supervisor.StartChild(player("a", [], restart="temporary")))).alive


async def test_permanent_normal() -> None:
    """A permanent child is restarted after a normal end."""
    async with System() as system:
        _, first = await ended(system, "permanent", Normal())
        restarted(system, first)


@pytest.mark.parametrize("exit", SHUTDOWNS)
async def test_permanent_shutdown(exit: Exit) -> None:
    """A permanent child is restarted after a shutdown."""
    async with System() as system:
        _, first = await ended(system, "permanent", exit)
        restarted(system, first)


@pytest.mark.parametrize("how", ABNORMAL)
async def test_permanent_abnormal(how: Exit | str) -> None:
    """A permanent child is restarted after an abnormal end."""
    async with System() as system:
        _, first = await ended(system, "permanent", how)
        restarted(system, first)


async def test_transient_normal() -> None:
    """A transient child is not restarted after a normal end, but keeps its spec."""
    async with System() as system:
        ref, _ = await ended(system, "transient", Normal())
        await kept(system, ref)


@pytest.mark.parametrize("exit", SHUTDOWNS)
async def test_transient_shutdown(exit: Exit) -> None:
    """A transient child is not restarted after a shutdown, but keeps its spec."""
    async with System() as system:
        ref, _ = await ended(system, "transient", exit)
        await kept(system, ref)


@pytest.mark.parametrize("how", ABNORMAL)
async def test_transient_abnormal(how: Exit | str) -> None:
    """A transient child is restarted after an abnormal end."""
    async with System() as system:
        _, first = await ended(system, "transient", how)
        restarted(system, first)


async def test_temporary_normal() -> None:
    """A temporary child is forgotten after a normal end."""
    async with System() as system:
        ref, _ = await ended(system, "temporary", Normal())
        await forgotten(system, ref)


@pytest.mark.parametrize("exit", SHUTDOWNS)
async def test_temporary_shutdown(exit: Exit) -> None:
    """A temporary child is forgotten after a shutdown."""
    async with System() as system:
        ref, _ = await ended(system, "temporary", exit)
        await forgotten(system, ref)


@pytest.mark.parametrize("how", ABNORMAL)
async def test_temporary_abnormal(how: Exit | str) -> None:
    """A temporary child is forgotten after an abnormal end, too."""
    async with System() as system:
        ref, _ = await ended(system, "temporary", how)
        await forgotten(system, ref)


async def test_external_start_no_progress_log() -> None:
    """A child started by call is told as started, not as restarting."""
    async with System() as system:
        ref = await system.start(top())
        with system.subscribe() as events:
            await ref.call(Supervisor.StartChild(player("a", [])))
            await ref.call(Supervisor.StopChild("a"))
            await ref.call(Supervisor.RestartChild("a"))
            assert [event.kind for event in events.take()] == ["started", "stopped", "started"]


async def test_faulty_application_shutdown() -> None:
    """A failing start deep in a tree surfaces with the path to it and the cause, and all started before it is down."""
    log: list[str] = []
    inner = ChildSpec("inner", lambda: Supervisor([player("b", log), ChildSpec("bad", Broken)]))
    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.start(top([player("a", log), inner]))
        assert caught.value.child == "top/inner/bad"
        assert isinstance(caught.value.exit, Crashed)
        assert "in started" in caught.value.exit.traceback
        assert alive(system) == []
    assert log == ["a starts", "b starts", "b stops: Shutdown", "a stops: Shutdown"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_temporary_bystander(strategy: str) -> None:
    """A temporary child that its sibling's failure takes along is dropped and not started again."""
    log: list[str] = []
    specs = [player("a", log), player("b", log, restart="temporary")]
    async with System() as system:
        ref = await system.start(top(specs, strategy=strategy))
        await end(system, "/top/a", "kill")
        assert ref.alive
        assert (counts(system), alive(system)) == ((1, 1), ["/top", "/top/a"])
        with pytest.raises(LookupError):
            await ref.call(Supervisor.RestartChild("b"))


async def test_multiple_restarts() -> None:
    """Failures that are further apart than the period never add up."""
    async with System() as system:
        ref = await system.start(top(players("a", []), intensity=1, period=1))
        for _ in range(4):
            await end(system, "/top/a", "crash")
            await anyio.sleep(2.1)
        assert (ref.alive, counts(system)) == (True, (1, 1))
