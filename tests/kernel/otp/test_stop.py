"""How supervisors stop their children: cases ``sup_stop_*`` of OTP's supervisor suite."""

from __future__ import annotations

import itertools
import math

import anyio
import pytest

from greenroom.kernel import ChildSpec, Crashed, Exit, Killed, Normal, Shutdown, Supervisor, System
from tests.kernel.otp.family import ODD, alive, slow, top
from tests.kernel.players import Hang, Leave, Player, player

pytestmark = pytest.mark.anyio


async def test_sup_stop_infinity() -> None:
    """A worker, too, may have all the time it needs, and ends `Shutdown` after it."""
    log: list[str] = []
    async with System() as system:
        await system.start(top([player("a", log, shutdown=math.inf), slow("b", log, 3600, shutdown=math.inf)]))
        refs = [system.cells[f"/top/{name}"].ref for name in "ab"]
        await system.stop_child("top")
        assert [await system.join(ref) for ref in refs] == [Shutdown(), Shutdown()]
    assert log[2:] == ["b stops: Shutdown", "a stops: Shutdown"]
    assert anyio.current_time() == 3600


async def test_sup_stop_timeout() -> None:
    """A child that does not listen is killed when its time is up, the others end `Shutdown`."""
    log: list[str] = []
    async with System() as system:
        await system.start(top([player("a", log, shutdown=1), player("b", log, shutdown=1)]))
        refs = [system.cells[f"/top/{name}"].ref for name in "ab"]
        refs[1].cast(Hang())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("top")
        assert [await system.join(ref) for ref in refs] == [Shutdown(), Killed()]
        assert anyio.current_time() - began == pytest.approx(1)


async def test_sup_stop_timeout_dynamic() -> None:
    """The same under a dynamic supervisor, whose children's times run side by side."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        refs = [await ref.call(Supervisor.StartChild(player(str(n), log, shutdown=n))) for n in range(1, 11)]
        for one in refs[::2]:
            one.cast(Hang())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("top")
        assert [await system.join(one) for one in refs] == [Killed(), Shutdown()] * 5
        assert anyio.current_time() - began == pytest.approx(9)


async def test_sup_stop_brutal_kill() -> None:
    """A brutal child is killed at once and does not clean up; its sibling ends `Shutdown`."""
    log: list[str] = []
    async with System() as system:
        await system.start(top([player("a", log), player("b", log, shutdown="brutal")]))
        refs = [system.cells[f"/top/{name}"].ref for name in "ab"]
        refs[1].cast(Hang())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("top")
        assert [await system.join(ref) for ref in refs] == [Shutdown(), Killed()]
        assert anyio.current_time() == began
    assert log == ["a starts", "b starts", "a stops: Shutdown"]


async def test_sup_stop_brutal_kill_dynamic() -> None:
    """Ten brutal children of a dynamic supervisor are all killed, at once."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        specs = [player(str(number), log, shutdown="brutal") for number in range(10)]
        refs = [await ref.call(Supervisor.StartChild(spec)) for spec in specs]
        del log[:]
        await system.stop_child("top")
        assert [await system.join(one) for one in refs] == [Killed()] * 10
        assert (await system.join(ref), log) == (Shutdown(), [])


RACERS = list(itertools.product(["permanent", "transient", "temporary"], [Normal(), Shutdown(), Shutdown("x"), ODD]))


async def test_sup_stop_race() -> None:
    """Children of all kinds that end by themselves while their supervisor stops keep their own exits.

    None of them is restarted, and the supervisor ends `Shutdown`.
    """
    log: list[str] = []
    specs = [player(str(number), log, restart=restart) for number, (restart, _) in enumerate(RACERS)]
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(top([*specs, slow("last", log, 5, shutdown=10)], intensity=100))
        racers = [system.cells[f"/top/{number}"].ref for number in range(len(RACERS))]
        group.start_soon(system.stop_child, "top")
        await anyio.sleep(1)
        for racer, (_, exit) in zip(racers, RACERS, strict=True):
            racer.cast(Leave(exit))
        await anyio.sleep(1)
        assert alive(system) == ["/top", "/top/last"]
        assert await system.join(ref) == Shutdown()
        assert [await system.join(racer) for racer in racers] == [exit for _, exit in RACERS]
        assert anyio.current_time() == 5
    assert sum(line.endswith("starts") for line in log) == len(RACERS) + 1


async def test_sup_stop_non_shutdown_exit_dynamic() -> None:
    """Children that fail when they are stopped do not change how their dynamic supervisor ends."""

    class Sulking(Player):
        async def stopped(self, exit: Exit) -> None:
            raise RuntimeError("not like this")

    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        specs = [ChildSpec(str(number), lambda: Sulking("sulking", [])) for number in range(3)]
        refs = [await ref.call(Supervisor.StartChild(spec)) for spec in specs]
        await system.stop_child("top")
        assert [type(await system.join(one)) for one in refs] == [Crashed] * 3
        assert await system.join(ref) == Shutdown()
        assert alive(system) == []
