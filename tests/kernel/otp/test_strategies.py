"""Whom a failure takes along, and when a supervisor gives up: cases ``one_for_*``, ``rest_for_one*``, ``simple_*``."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import anyio
import pytest

from greenroom.kernel import Backoff, ChildSpec, Crashed, Escalation, Killed, Normal, Ref, Shutdown, Supervisor, System
from tests.kernel.otp.family import alive, counts, end, forget, planned, players, slow, top
from tests.kernel.players import Player, player

pytestmark = pytest.mark.anyio


def ok_then_fail() -> Any:  # noqa: ANN401
    """A plan: one good start, then none."""
    return itertools.chain(["ok"], itertools.repeat("fail"))


def incarnations(system: System, names: str = "abc") -> list[Ref | None]:
    """Who has the children's names now."""
    cells = [system.cells.get(f"/top/{name}") for name in names]
    return [None if cell is None else cell.ref for cell in cells]


async def gave_up(system: System, top: Ref, child: str) -> Escalation:
    """The supervisor has ended because of this child, and nothing of it is left."""
    exit = await system.join(top)
    assert isinstance(exit, Shutdown)
    assert isinstance(exit.info, Escalation)
    assert exit.info.child == child
    assert alive(system) == []
    return exit.info


async def test_one_for_one() -> None:
    """Only the child that failed is restarted; one restart too many ends the supervisor."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(players("ab", log), intensity=2, period=3600))
        a, b = incarnations(system, "ab")
        await end(system, "/top/a", "kill")
        assert (incarnations(system, "ab")[0] != a, incarnations(system, "ab")[1] == b) == (True, True)
        await end(system, "/top/b", "kill")
        assert ref.alive
        await end(system, "/top/a", "kill")
        assert (await gave_up(system, ref, "a")).exit == Killed()
    assert log[-1] == "b stops: Shutdown"


async def test_one_for_one_escalation() -> None:
    """A restart that fails again and again ends the supervisor, and its other children with it."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top([planned("a", log, ok_then_fail()), player("b", log)], intensity=4, period=3600))
        await end(system, "/top/a", "crash")
        exit = (await gave_up(system, ref, "a")).exit
        assert isinstance(exit, Crashed)
        assert str(exit.exception) == "planned"
    assert log[2:] == ["a stops: Crashed", *["a fails"] * 4, "b stops: Shutdown"]


async def test_one_for_all() -> None:
    """All children are restarted; the third failure is one too many here."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(players("ab", log), strategy="one_for_all", intensity=2, period=3600))
        for name in "ab":
            before = incarnations(system, "ab")
            await end(system, f"/top/{name}", "kill")
            assert counts(system) == (2, 2)
            assert all(new != old for new, old in zip(incarnations(system, "ab"), before, strict=True))
        await end(system, "/top/a", "kill")
        await gave_up(system, ref, "a")


async def test_one_for_all_escalation() -> None:
    """When another child cannot come back, all go down in the end."""
    log: list[str] = []
    async with System() as system:
        specs = [player("a", log), planned("b", log, ok_then_fail())]
        ref = await system.start(top(specs, strategy="one_for_all", intensity=4, period=3600))
        await end(system, "/top/a", "crash")
        await gave_up(system, ref, "b")
    assert log[2:] == ["a stops: Crashed", "b stops: Shutdown", *["a starts", "b fails", "a stops: Shutdown"] * 4]


async def test_one_for_all_other_child_fails_restart() -> None:
    """When a restart stops at another child, those started so far are stopped, and all are started again."""
    log: list[str] = []
    async with System() as system:
        specs = [player("a", log), planned("b", log, ["ok", "fail"])]
        ref = await system.start(top(specs, strategy="one_for_all", intensity=3, period=3600))
        await end(system, "/top/a", "crash")
        assert ref.alive
        assert log[2:] == [
            *["a stops: Crashed", "b stops: Shutdown"],
            *["a starts", "b fails", "a stops: Shutdown"],
            *["a starts", "b starts"],
        ]


async def dynamic(system: System, specs: list[ChildSpec], **options: Any) -> Ref:  # noqa: ANN401
    """A dynamic supervisor that was told to start these."""
    ref = await system.start(top(strategy="dynamic", **options))
    for spec in specs:
        await ref.call(Supervisor.StartChild(spec))
    return ref


async def test_simple_one_for_one() -> None:
    """Under a dynamic supervisor, too, only who failed is restarted, and too many restarts end it."""
    async with System() as system:
        ref = await dynamic(system, players("ab", []), intensity=2, period=3600)
        a, b = incarnations(system, "ab")
        await end(system, "/top/a", "kill")
        assert incarnations(system, "ab")[1] == b
        assert incarnations(system, "ab")[0] != a
        await end(system, "/top/b", "kill")
        await end(system, "/top/b", "kill")
        await gave_up(system, ref, "b")


async def test_simple_one_for_one_shutdown() -> None:
    """Children of a dynamic supervisor stop side by side, each within its own time."""
    log: list[str] = []
    async with System() as system:
        await dynamic(system, [slow(str(seconds), log, seconds, shutdown=2) for seconds in (1, 1.5, 5)])
        began = anyio.current_time()
        await system.stop_child("top")
        assert anyio.current_time() - began == pytest.approx(2)
    assert log[3:] == ["1 stops: Shutdown", "1.5 stops: Shutdown"]


async def test_simple_one_for_one_escalation() -> None:
    """A dynamic child that cannot come back uses up the intensity."""
    log: list[str] = []
    async with System() as system:
        specs = [planned("a", log, ok_then_fail()), player("b", log)]
        ref = await dynamic(system, specs, intensity=4, period=3600)
        await end(system, "/top/a", "crash")
        await gave_up(system, ref, "a")
    assert log.count("a fails") == 4


async def test_simple_one_for_one_corruption() -> None:
    """Temporary children leave nothing behind, however many came and went: neither specs nor what these hold."""

    class Payload:
        pass

    async with System() as system:
        payloads: weakref.WeakSet[Payload] = weakref.WeakSet()
        ref = await dynamic(system, [])
        for number in range(20):
            payload = Payload()
            payloads.add(payload)
            spec = ChildSpec(str(number), lambda held=payload: Player(str(held), []), restart="temporary")  # type: ignore[misc]
            await ref.call(Supervisor.StartChild(spec))
            del payload, spec
            await end(system, f"/top/{number}", "kill" if number % 2 else Normal())
        await forget(ref)
        assert counts(system) == (0, 0)
        assert len(payloads) == 0


async def test_simple_one_for_one_restart_ignore() -> None:
    """A dynamic child that declines to come back is gone."""
    log: list[str] = []
    async with System() as system:
        ref = await dynamic(system, [planned("a", log, ["ok", "ignore"])])
        await end(system, "/top/a", "kill")
        assert (ref.alive, counts(system)) == (True, (0, 0))
        assert log == ["a starts", "a ignores"]


async def test_rest_for_one() -> None:
    """Those started after the one that failed are stopped and restarted in order, those before it notice nothing."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(players("abc", log), strategy="rest_for_one", intensity=2, period=3600))
        a, b, c = incarnations(system)
        del log[:]
        await end(system, "/top/b", "crash")
        assert log == ["b stops: Crashed", "c stops: Shutdown", "b starts", "c starts"]
        now = incarnations(system)
        assert (now[0] == a, now[1] != b, now[2] != c) == (True, True, True)
        await end(system, "/top/c", "kill")
        assert incarnations(system)[:2] == now[:2]
        await end(system, "/top/b", "kill")
        await gave_up(system, ref, "b")


async def test_rest_for_one_escalation() -> None:
    """When a later child cannot come back, all go down in the end."""
    log: list[str] = []
    async with System() as system:
        specs = [player("a", log), planned("b", log, ok_then_fail())]
        ref = await system.start(top(specs, strategy="rest_for_one", intensity=4, period=3600))
        await end(system, "/top/a", "crash")
        await gave_up(system, ref, "b")
    assert log[-1] == "a stops: Shutdown"


async def test_rest_for_one_other_child_fails_restart() -> None:
    """When a restart stops at a later child, those started so far stay, and only the rest is tried again."""
    log: list[str] = []
    async with System() as system:
        specs = [player("a", log), planned("b", log, ["ok", "fail"]), player("c", log)]
        ref = await system.start(top(specs, strategy="rest_for_one", intensity=3, period=3600))
        del log[:]
        await end(system, "/top/a", "crash")
        assert ref.alive
        assert log == [
            *["a stops: Crashed", "c stops: Shutdown", "b stops: Shutdown"],
            *["a starts", "b fails"],
            *["b starts", "c starts"],
        ]


async def test_a_normal_end_restarts_like_any_other() -> None:
    """A permanent child that ends normally takes its siblings along as a crash would."""
    log: list[str] = []
    async with System() as system:
        await system.start(top(players("ab", log), strategy="one_for_all"))
        del log[:]
        await end(system, "/top/a", Normal())
        assert log == ["a stops: Normal", "b stops: Shutdown", "a starts", "b starts"]


async def test_rest_for_one_keeps_the_order_of_two_restarts() -> None:
    """When an earlier child fails while a later one waits for its restart, they still come back from left to right."""
    log: list[str] = []
    backoff = Backoff(first=10, factor=2, jitter=0)
    async with System() as system:
        await system.start(top(players("abc", log), strategy="rest_for_one", intensity=5, period=60, backoff=backoff))
        del log[:]
        await end(system, "/top/b", "kill")
        await anyio.sleep(1)
        await end(system, "/top/a", "kill")
        await anyio.sleep(100)
        assert log == ["c stops: Shutdown", "a starts", "b starts", "c starts"]
