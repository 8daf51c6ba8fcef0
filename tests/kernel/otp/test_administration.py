"""Starting, stopping, restarting and forgetting by call; what a spec may say: OTP's ``child_*`` and ``sup_flags``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, NotDelivered, Supervisor, System
from tests.kernel.otp.family import alive, counts, end, for_the_stopped, players, top
from tests.kernel.players import player

pytestmark = pytest.mark.anyio


async def test_child_adm() -> None:
    """A child is started, stopped, restarted and deleted by calls; each call that makes no sense has its own error."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top())
        first = await ref.call(Supervisor.StartChild(player("a", log)))
        with pytest.raises(ValueError, match="/top already has a child 'a'"):
            await ref.call(Supervisor.StartChild(player("a", log)))
        for message in for_the_stopped("a"):
            with pytest.raises(ValueError, match="'a' is running"):
                await ref.call(message)
        assert await ref.call(Supervisor.StopChild("a")) is True
        assert await ref.call(Supervisor.StopChild("a")) is True  # twice is no error
        assert counts(system) == (1, 0)
        with pytest.raises(ValueError, match="/top already has a child 'a'"):
            await ref.call(Supervisor.StartChild(player("a", log)))
        second = await ref.call(Supervisor.RestartChild("a"))
        assert second != first
        assert counts(system) == (1, 1)
        await ref.call(Supervisor.StopChild("a"))
        await ref.call(Supervisor.DeleteChild("a"))
        assert counts(system) == (0, 0)
        assert await ref.call(Supervisor.StopChild("a")) is False
        for message in for_the_stopped("a"):
            with pytest.raises(LookupError, match="/top has no child 'a'"):
                await ref.call(message)
        await system.stop_child("top")
        with pytest.raises(NotDelivered):
            await ref.call(Supervisor.StopChild("a"))


async def test_child_adm_automatic_restart() -> None:
    """A child that was stopped and started again by call is still restarted when it fails."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top([player("a", log)]))
        await ref.call(Supervisor.StopChild("a"))
        await ref.call(Supervisor.RestartChild("a"))
        await end(system, "/top/a", "crash")
        assert log.count("a starts") == 3
        assert counts(system) == (1, 1)


async def test_child_adm_simple() -> None:
    """A dynamic supervisor's child, once stopped, is gone with its spec; strangers are neither found nor touched."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(top(strategy="dynamic"))
        stranger = await system.start(player("stranger", log))
        for name in "ab":
            await ref.call(Supervisor.StartChild(player(name, log)))
        assert counts(system) == (2, 2)
        assert await ref.call(Supervisor.StopChild("a")) is True
        assert counts(system) == (1, 1)
        assert await ref.call(Supervisor.StopChild("a")) is False
        assert await ref.call(Supervisor.StopChild("stranger")) is False
        assert stranger.alive
        for message in for_the_stopped("a"):
            with pytest.raises(LookupError, match="/top has no child 'a'"):
                await ref.call(message)
        assert alive(system) == ["/stranger", "/top", "/top/b"]


FAULTS: list[Any] = [
    {"id": ""},
    {"id": "a/b"},
    {"restart": "prmanent"},
    {"shutdown": -10},
    {"shutdown": "gentle"},
    {"shutdown": math.nan},
    {"start_timeout": -1},
    {"lifetime": -1},
    {"mailbox": -1},
    {"mailbox": 0},
    {"overflow": "explode"},
    {"significant": True, "restart": "permanent"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_child_specs(fault: dict[str, Any]) -> None:
    """Each field with a value that is not allowed has an error of its own, which names the field and the value."""
    name, value = next(iter(fault.items()))
    fields: dict[str, Any] = {"id": "a", "start": Actor} | fault
    with pytest.raises(ValueError, match=f"{name}={value!r} must be "):
        ChildSpec(**fields)


def test_child_specs_map() -> None:
    """Every combination of values that are allowed is accepted."""
    restarts, budgets = ["permanent", "transient", "temporary"], [None, "brutal", 0, 5.0, math.inf]
    timeouts, overflows = [0.1, 30, math.inf], ["fail", "block", "drop_new", "drop_old"]
    combinations = itertools.product(restarts, budgets, timeouts, [False, True], [1, math.inf], overflows)
    made = [
        ChildSpec("a", Actor, restart, shutdown, start_timeout, math.inf, significant, mailbox, overflow)  # type: ignore[arg-type]
        for restart, shutdown, start_timeout, significant, mailbox, overflow in combinations
        if not (significant and restart == "permanent")
    ]
    assert len(made) == 5 * 5 * 3 * 2 * 4


def test_child_specs_duplicates() -> None:
    """Two children of one supervisor cannot have the same id."""
    with pytest.raises(ValueError, match="child ids must differ: a, b, a"):
        Supervisor(players("aba", []))


@pytest.mark.parametrize("significant", [True, False])
@pytest.mark.parametrize("mode", ["never", "any_significant", "all_significant"])
async def test_child_specs_significant(mode: Any, significant: bool) -> None:  # noqa: ANN401, FBT001
    """A significant child is refused where its end would mean nothing, in the first list and when it is added."""
    spec = player("a", [], restart="transient", significant=significant)
    bad = significant and mode == "never"
    async with System() as system:
        ref = await system.start(top(auto_shutdown=mode))
        if not bad:
            Supervisor([spec], auto_shutdown=mode)
            assert (await ref.call(Supervisor.StartChild(spec))).alive
            return
        with pytest.raises(ValueError, match="'a' is significant, which needs auto_shutdown"):
            Supervisor([spec], auto_shutdown=mode)
        with pytest.raises(ValueError, match="'a' is significant, but auto_shutdown is never"):
            await ref.call(Supervisor.StartChild(spec))
        assert counts(system) == (0, 0)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"strategy": "one_for_two"}, "strategy='one_for_two' must be one of"),
        ({"intensity": -1}, "intensity=-1 must be"),
        ({"period": 0}, "period=0 a positive number"),
        ({"period": -1}, "period=-1 a positive number"),
        ({"period": math.inf}, "period=inf a positive number"),
        ({"auto_shutdown": "sometimes"}, "auto_shutdown='sometimes' must be one of"),
    ],
    ids=str,
)
def test_sup_flags(flags: dict[str, Any], text: str) -> None:
    """Each setting of a supervisor that is not allowed has an error of its own, raised when it is made."""
    with pytest.raises(ValueError, match=text):
        Supervisor(**flags)


def test_sup_flags_unknown() -> None:
    """A setting that does not exist is refused, not ignored."""
    with pytest.raises(TypeError):
        Supervisor(hat="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def test_start_child_while_another_starts() -> None:
    """A supervisor starts its children one after the other: a second start waits for the first."""

    class Sleepy(Actor):
        async def started(self) -> None:
            await anyio.sleep(2)

    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(top())
        for name in "ab":
            group.start_soon(ref.call, Supervisor.StartChild(ChildSpec(name, Sleepy)), 60)
        await anyio.sleep(3)
        assert counts(system) == (1, 1)
        await anyio.sleep(2)
        assert counts(system) == (2, 2)
