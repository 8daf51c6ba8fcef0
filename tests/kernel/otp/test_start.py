"""How supervisors and children start: cases ``sup_start_*`` of OTP's supervisor suite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from greenroom.kernel import Actor, ChildSpec, Crashed, Normal, Shutdown, StartFailed, Supervisor, System
from tests.kernel.otp.family import Broken, alive, counts, planned, players, top
from tests.kernel.players import player

pytestmark = pytest.mark.anyio


def junk() -> Any:  # noqa: ANN401
    """What a start function may return in a language without types."""
    return 42


async def test_sup_start_normal() -> None:
    """A supervisor starts, and ends `Shutdown` when it is stopped."""
    async with System() as system:
        ref = await system.start(top())
        assert ref.alive
        assert await system.stop_child("top")
        assert await system.join(ref) == Shutdown()


async def test_sup_start_ignore_init() -> None:
    """A supervisor that declines to start is no error for its starter, starts no child and is not there."""

    class Unneeded(Supervisor):
        async def started(self) -> None:
            self.stop()

    log: list[str] = []
    async with System() as system:
        ref = await system.start(ChildSpec("top", lambda: Unneeded(players("a", log))))
        assert await system.join(ref) == Normal()
        assert (alive(system), log) == ([], [])


async def test_sup_start_ignore_child() -> None:
    """A permanent child that declines to start keeps its spec, both in the first list and when it is added."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top([planned("a", log, ["ignore"]), player("b", log)]))
        assert counts(system) == (2, 1)
        added = await ref.call(Supervisor.StartChild(planned("c", log, ["ignore"])))
        assert not added.alive
        assert counts(system) == (3, 1)
        assert alive(system) == ["/top", "/top/b"]


async def test_sup_start_ignore_temporary_child() -> None:
    """The spec of a temporary child that declines to start is not kept."""
    log: list[str] = []
    async with System() as system:
        await system.start(top([planned("a", log, ["ignore"], restart="temporary"), player("b", log)]))
        assert counts(system) == (1, 1)


async def test_sup_start_ignore_temporary_child_start_child() -> None:
    """The same for one that is added: its id is free at once."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top())
        spec = planned("a", log, ["ignore"], restart="temporary")
        assert not (await ref.call(Supervisor.StartChild(spec))).alive
        assert counts(system) == (0, 0)
        assert (await ref.call(Supervisor.StartChild(spec))).alive


async def test_sup_start_ignore_temporary_child_start_child_simple() -> None:
    """The same under a dynamic supervisor."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        spec = planned("a", log, ["ignore"], restart="temporary")
        assert not (await ref.call(Supervisor.StartChild(spec))).alive
        assert counts(system) == (0, 0)


async def test_sup_start_ignore_permanent_child_start_child_simple() -> None:
    """A dynamic supervisor forgets whoever declines to start, permanent ones too, and still stops cleanly."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        await ref.call(Supervisor.StartChild(planned("a", log, ["ignore"], restart="permanent")))
        assert counts(system) == (0, 0)
        await system.stop_child("top")
        assert await system.join(ref) == Shutdown()


async def test_sup_start_error_return() -> None:
    """A start function that makes no actor is a failed start, and nothing else is harmed."""
    async with System() as system:
        with pytest.raises(StartFailed, match="top did not start"):
            await system.start(ChildSpec("top", junk))
        assert alive(system) == []
        assert (await system.start(top())).alive


async def test_sup_start_fail() -> None:
    """A supervisor that raises when it starts is a failed start with the cause, and nothing else is harmed."""

    class Failing(Supervisor):
        async def started(self) -> None:
            raise LookupError("no plan")

    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.start(ChildSpec("top", Failing))
        assert isinstance(caught.value.exit, Crashed)
        assert repr(caught.value.exit.exception) == "LookupError('no plan')"
        assert "in started" in caught.value.exit.traceback
        assert alive(system) == []


@pytest.mark.parametrize("start", [Broken, junk])
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_sup_start_child_returns_error(start: Callable[[], Actor], strategy: str) -> None:
    """A child that cannot be started is the starter's error: the supervisor goes on and keeps no spec."""
    async with System() as system:
        ref = await system.start(top(strategy=strategy))
        with pytest.raises(StartFailed, match="a did not start"):
            await ref.call(Supervisor.StartChild(ChildSpec("a", start)))
        assert counts(system) == (0, 0)
        assert alive(system) == ["/top"]


async def test_sup_start_restart_child_returns_error() -> None:
    """A stopped child that cannot be started again stays stopped, with its spec."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top([planned("a", log, ["ok", "fail"])]))
        await ref.call(Supervisor.StopChild("a"))
        with pytest.raises(StartFailed, match="planned"):
            await ref.call(Supervisor.RestartChild("a"))
        assert counts(system) == (1, 0)
        assert (await ref.call(Supervisor.RestartChild("a"))).alive
        assert counts(system) == (1, 1)


async def test_sup_start_child_returns_error_simple() -> None:
    """A dynamic supervisor passes the cause on unchanged, and keeps nothing."""
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        with pytest.raises(StartFailed) as caught:
            await ref.call(Supervisor.StartChild(ChildSpec("a", Broken)))
        assert caught.value.child == "a"
        assert isinstance(caught.value.exit, Crashed)
        assert repr(caught.value.exit.exception) == "RuntimeError('broken')"
        assert counts(system) == (0, 0)


async def test_sup_start_map() -> None:
    """What a spec leaves out has OTP's defaults: permanent, 5 seconds for a worker, any time for a supervisor."""
    worker, supervisor = ChildSpec("a", Actor), top()
    assert (worker.restart, worker.significant) == ("permanent", False)
    assert worker.grace(worker.start()) == 5
    assert supervisor.grace(supervisor.start()) == math.inf
    async with System() as system:
        await system.start(top([worker]))
        assert system.inspect("/top/a") is not None
        assert system.inspect("/top/b") is None


@pytest.mark.parametrize("fields", [{}, {"id": "a"}, {"start": Actor}, {"id": "a", "start": Actor, "hat": "red"}])
def test_sup_start_map_faulty_specs(fields: dict[str, Any]) -> None:
    """A spec without id or start, or with a field that does not exist, cannot be made."""
    with pytest.raises(TypeError):
        ChildSpec(**fields)
