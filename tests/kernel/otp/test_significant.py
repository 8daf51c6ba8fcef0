"""Children whose end ends their supervisor: cases ``significant_*`` and ``nonsignificant_*`` of OTP's suite."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from greenroom.kernel import Backoff, ChildSpec, Exit, Normal, Ref, Shutdown, Supervisor, System
from tests.kernel.otp.family import alive, counts, end, players, top
from tests.kernel.players import player

pytestmark = pytest.mark.anyio

MODES = ["never", "any_significant", "all_significant"]
AUTO = MODES[1:]


async def stop(system: System, ref: Ref, name: str, how: Exit | str) -> None:
    """End a child by itself, or by a call to its supervisor."""
    if how == "by call":
        await ref.call(Supervisor.StopChild(name))
    else:
        await end(system, f"/top/{name}", how)


def pair(restart: Any, *, significant: bool = True) -> list[ChildSpec]:  # noqa: ANN401
    """Two alike, a and b."""
    return players("ab", [], restart=restart, significant=significant)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["by call", "kill", "crash", Normal()], ids=str)
async def test_nonsignificant_temporary(mode: str, how: Exit | str) -> None:
    """The end of a temporary child that is not significant never ends its supervisor."""
    async with System() as system:
        ref = await system.start(top(pair("temporary", significant=False), auto_shutdown=mode))
        await stop(system, ref, "a", how)
        await stop(system, ref, "b", how)
        assert (ref.alive, counts(system)) == (True, (0, 0))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["by call", "kill", "crash", Normal()], ids=str)
async def test_nonsignificant_transient(mode: str, how: Exit | str) -> None:
    """The end of a transient child that is not significant never ends its supervisor."""
    async with System() as system:
        ref = await system.start(top(pair("transient", significant=False), auto_shutdown=mode, intensity=2))
        await stop(system, ref, "a", how)
        await stop(system, ref, "b", how)
        assert (ref.alive, counts(system)) == (True, (2, 2 if how in ("kill", "crash") else 0))


@pytest.mark.parametrize("mode", AUTO)
@pytest.mark.parametrize("how", ["kill", "crash", Normal()], ids=str)
async def test_significant_temporary(mode: str, how: Exit | str) -> None:
    """Any end of its own of a significant temporary child counts, a stop by call does not."""
    async with System() as system:
        ref = await system.start(top([*pair("temporary"), player("c", [])], auto_shutdown=mode))
        await stop(system, ref, "a", how)
        assert ref.alive is (mode == "all_significant")
        await stop(system, ref, "b", how)
        assert await system.join(ref) == Shutdown()
        assert alive(system) == []


@pytest.mark.parametrize("mode", AUTO)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_significant_stopped_by_call(mode: str, restart: str) -> None:
    """A significant child that is stopped by call never ends its supervisor, not even as the last one."""
    async with System() as system:
        ref = await system.start(top(pair(restart), auto_shutdown=mode))
        await stop(system, ref, "a", "by call")
        await stop(system, ref, "b", "by call")
        assert (ref.alive, counts(system)[1]) == (True, 0)


@pytest.mark.parametrize("mode", AUTO)
async def test_significant_transient(mode: str) -> None:
    """Only the normal end of a significant transient child counts: after others it is restarted."""
    async with System() as system:
        ref = await system.start(top(pair("transient"), auto_shutdown=mode, intensity=2))
        for how in ("kill", "crash"):
            await stop(system, ref, "a", how)
            assert (ref.alive, counts(system)) == (True, (2, 2))
        await stop(system, ref, "a", Normal())
        assert ref.alive is (mode == "all_significant")
        await stop(system, ref, "b", Shutdown("done"))
        assert await system.join(ref) == Shutdown()
        assert alive(system) == []


@pytest.mark.parametrize("restart", ["temporary", "transient"])
async def test_significant_simple(restart: str) -> None:
    """Children of a dynamic supervisor may be significant, too: the last one turns out the light."""
    async with System() as system:
        ref = await system.start(top(strategy="dynamic", auto_shutdown="all_significant"))
        for spec in pair(restart):
            await ref.call(Supervisor.StartChild(spec))
        await stop(system, ref, "a", Normal())
        assert ref.alive
        await stop(system, ref, "b", Normal())
        assert await system.join(ref) == Shutdown()


@pytest.mark.parametrize("mode", AUTO)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_significant_bystander(mode: str, restart: str, strategy: str) -> None:
    """Significant children that their sibling's failure takes along do not end their supervisor."""
    async with System() as system:
        specs = [player("x", []), *pair(restart)]
        ref = await system.start(top(specs, auto_shutdown=mode, strategy=strategy))
        await stop(system, ref, "x", "kill")
        kept = restart == "transient"
        assert (ref.alive, counts(system)) == (True, (3, 3) if kept else (1, 1))


@pytest.mark.parametrize("significant", [True, False])
async def test_significant_escalation(significant: bool) -> None:  # noqa: FBT001
    """A supervisor that shuts itself down takes its own along if it is significant there, and only then."""

    def inner() -> Supervisor:
        return Supervisor(pair("transient"), auto_shutdown="any_significant")

    async with System() as system:
        spec = ChildSpec("inner", inner, restart="transient", significant=significant)
        ref = await system.start(top([spec, player("x", [])], auto_shutdown="any_significant"))
        await end(system, "/top/inner/a", Normal())
        assert ref.alive is not significant
        assert alive(system) == ([] if significant else ["/top", "/top/x"])


async def changed(mode: str, later: str) -> list[bool]:
    """Whether the supervisor lives, after a first and a second significant end, the mode changed before the first."""

    def change(supervisor: Any) -> None:  # noqa: ANN401
        supervisor.auto_shutdown = later

    # A supervisor that never shuts itself down could not have had such children from the start.
    begun = top(pair("transient", significant=mode != "never"), auto_shutdown=mode)
    async with System() as system:
        ref = await system.start(begun)
        if mode == "never":
            system.change(ref, significant)
        before = [system.cells[f"/top/{name}"].ref for name in "ab"]
        system.change(ref, change)
        await ref.call(Supervisor.StopChild("nobody"))
        assert [system.cells[f"/top/{name}"].ref for name in "ab"] == before
        lives: list[bool] = []
        for name in "ab":
            await end(system, f"/top/{name}", Normal())
            lives.append(ref.alive)
        return lives


def significant(supervisor: Supervisor) -> None:
    """Make all children significant while they run."""
    for child in supervisor.children.values():
        child.spec = ChildSpec(child.spec.id, child.spec.start, "transient", significant=True)


async def test_significant_upgrade_never_any() -> None:
    """From never to any: the first significant end counts."""
    assert await changed("never", "any_significant") == [False, False]


async def test_significant_upgrade_any_never() -> None:
    """From any to never: no end counts."""
    assert await changed("any_significant", "never") == [True, True]


async def test_significant_upgrade_never_all() -> None:
    """From never to all: the last significant end counts."""
    assert await changed("never", "all_significant") == [True, False]


async def test_significant_upgrade_all_never() -> None:
    """From all to never: no end counts."""
    assert await changed("all_significant", "never") == [True, True]


async def test_significant_upgrade_any_all() -> None:
    """From any to all: the last significant end counts."""
    assert await changed("any_significant", "all_significant") == [True, False]


async def test_significant_upgrade_all_any() -> None:
    """From all to any: the first significant end counts."""
    assert await changed("all_significant", "any_significant") == [False, False]


async def test_significant_upgrade_child() -> None:
    """A child that is made significant while it runs counts from then on."""
    async with System() as system:
        ref = await system.start(top(pair("transient", significant=False), auto_shutdown="any_significant"))
        await end(system, "/top/a", Normal())
        assert ref.alive
        system.change(ref, significant)
        await end(system, "/top/b", Normal())
        assert await system.join(ref) == Shutdown()


async def test_significant_restarting() -> None:
    """A significant child that waits for its restart still counts: as in OTP, the others were not the last."""
    backoff = Backoff(first=10, jitter=0)
    async with System() as system:
        ref = await system.start(top(pair("transient"), auto_shutdown="all_significant", backoff=backoff))
        await end(system, "/top/a", "crash")
        await end(system, "/top/b", Normal())
        assert ref.alive
        await anyio.sleep(20)
        assert system.lookup("/top/a").alive
