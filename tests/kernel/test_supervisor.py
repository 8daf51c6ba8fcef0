from __future__ import annotations

import math

import anyio
import pytest

from greenroom.kernel import (
    Actor,
    Backoff,
    ChildSpec,
    Crashed,
    Escalation,
    Exit,
    Killed,
    Normal,
    NotDelivered,
    Shutdown,
    StartFailed,
    Supervisor,
    System,
    on,
)
from tests.kernel.players import Crash, Hang, Leave, Player, Say, paths, player
from tests.kernel.troupe import Unstartable, crash, leave, supervisor, three

pytestmark = pytest.mark.anyio


async def test_children_start_left_to_right_and_stop_right_to_left() -> None:
    """Each is ready before the next one starts, and down before the one to its left is asked to stop."""
    log: list[str] = []

    class Slow(Player):
        async def started(self) -> None:
            await anyio.sleep(1)
            await super().started()

        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(1)
            await super().stopped(exit)

    specs = [ChildSpec(name, lambda name=name: Slow(name, log)) for name in "abc"]  # type: ignore[misc]
    async with System() as system:
        await system.start(supervisor(specs))
        assert log == ["a starts", "b starts", "c starts"]
        await system.stop_child("top")
        assert log[3:] == ["c stops: Shutdown", "b stops: Shutdown", "a stops: Shutdown"]


async def test_children_of_a_dynamic_supervisor_stop_all_at_once() -> None:
    """A thousand that take a second each take one second together."""

    class Slow(Actor):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(1)

    async with System() as system:
        top = await system.start(supervisor([], strategy="dynamic"))
        for number in range(1000):
            await top.call(Supervisor.StartChild(ChildSpec(str(number), Slow)))
        await system.stop_child("top")
        assert anyio.current_time() == 1


@pytest.mark.parametrize(
    ("restart", "exit", "restarted"),
    [
        ("permanent", Normal(), True),
        ("permanent", Shutdown(), True),
        ("permanent", Killed(), True),
        ("transient", Normal(), False),
        ("transient", Shutdown("done"), False),
        ("transient", Killed(), True),
        ("temporary", Normal(), False),
        ("temporary", Killed(), False),
    ],
)
async def test_the_restart_type_decides_by_the_exit(restart: str, exit: Exit, restarted: bool) -> None:  # noqa: FBT001
    """Permanent children always come back, transient ones after an abnormal exit, temporary ones never."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(supervisor([player("a", log, restart=restart)]))
        await leave(system, "/top/a", exit)
        assert log.count("a starts") == 1 + restarted
        assert top.alive
        shown = system.inspect("/top")
        assert shown is not None
        assert (shown.observed.specs, shown.observed.active) == (0 if restart == "temporary" else 1, int(restarted))


@pytest.mark.parametrize(
    ("strategy", "events"),
    [
        ("one_for_one", ["b stops: Crashed", "b starts"]),
        ("rest_for_one", ["b stops: Crashed", "c stops: Shutdown", "b starts", "c starts"]),
        (
            "one_for_all",
            ["b stops: Crashed", "c stops: Shutdown", "a stops: Shutdown", "a starts", "b starts", "c starts"],
        ),
    ],
)
async def test_the_strategy_decides_who_goes_along(strategy: str, events: list[str]) -> None:
    """Siblings are stopped right to left and started again left to right; the others notice nothing."""
    log: list[str] = []
    async with System() as system:
        await system.start(supervisor(three(log), strategy=strategy))
        del log[:]
        await crash(system, "/top/b")
        assert log == events
        assert sorted(paths(system)) == ["/top", "/top/a", "/top/b", "/top/c"]


@pytest.mark.parametrize("strategy", ["rest_for_one", "one_for_all"])
async def test_a_temporary_bystander_is_gone_for_good(strategy: str) -> None:
    """A temporary child that is stopped because of a sibling is not started again."""
    log: list[str] = []
    async with System() as system:
        specs = [player("a", log), player("b", log, restart="temporary")]
        await system.start(supervisor(specs, strategy=strategy))
        await crash(system, "/top/a")
        assert paths(system) == ["/top", "/top/a"]


async def test_too_many_restarts_end_the_supervisor_with_the_cause() -> None:
    """One restart more than the intensity stops all children; the exit says which child failed, and how."""
    log: list[str] = []
    async with System() as system:
        top = await system.start(supervisor(three(log), intensity=2, period=10))
        for _ in range(2):
            await crash(system, "/top/b")
        assert top.alive
        system.lookup("/top/b").cast(Crash("the last straw"))
        exit = await system.join(top)
        assert isinstance(exit, Shutdown)
        assert isinstance(exit.info, Escalation)
        assert exit.info.child == "b"
        assert isinstance(exit.info.exit, Crashed)
        assert str(exit.info.exit.exception) == "the last straw"
        assert log[-3:] == ["b stops: Crashed", "c stops: Shutdown", "a stops: Shutdown"]
        assert paths(system) == []


async def test_restarts_are_forgiven_after_the_period() -> None:
    """Failures that are far enough apart can go on for ever."""
    async with System() as system:
        top = await system.start(supervisor([player("a", [])], intensity=1, period=1))
        for _ in range(20):
            await crash(system, "/top/a")
            await anyio.sleep(2.1)
        assert top.alive


async def test_a_failure_that_escalates_is_the_next_supervisors_affair() -> None:
    """A supervisor that gives up is restarted by its own, with all its children, while its siblings go on."""
    log: list[str] = []
    inner = ChildSpec("inner", lambda: Supervisor([player("a", log), player("b", log)], intensity=0))
    async with System() as system:
        await system.start(supervisor([player("x", log), inner]))
        del log[:]
        await crash(system, "/top/inner/a")
        assert log == ["a stops: Crashed", "b stops: Shutdown", "a starts", "b starts"]


async def test_a_start_that_fails_takes_back_those_before_it() -> None:
    """When a child of the first list cannot start, the earlier ones are stopped in reverse, and the cause is named."""
    log: list[str] = []
    async with System() as system:
        with pytest.raises(StartFailed, match="top/broken did not start") as caught:
            await system.start(supervisor([*three(log), ChildSpec("broken", Unstartable)]))
        assert isinstance(caught.value.exit, Crashed)
        assert str(caught.value.exit.exception) == "never"
        assert log[3:] == ["c stops: Shutdown", "b stops: Shutdown", "a stops: Shutdown"]
        assert paths(system) == []


class Flaky(Player):
    """Starts once, then fails to as often as it is set to."""

    fails = 0

    async def started(self) -> None:
        if self.log and Flaky.fails:
            Flaky.fails -= 1
            self.log.append("a fails to start")
            raise RuntimeError("not yet")
        await super().started()


async def test_a_restart_that_fails_counts_as_one_more_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that cannot come back at once is tried again until the intensity is used up."""
    monkeypatch.setattr(Flaky, "fails", 2)
    log: list[str] = []
    async with System() as system:
        top = await system.start(supervisor([ChildSpec("a", lambda: Flaky("a", log))], intensity=3))
        await crash(system, "/top/a")
        assert log == ["a starts", "a stops: Crashed", *["a fails to start", "a stops: Crashed"] * 2, "a starts"]
        assert top.alive
        monkeypatch.setattr(Flaky, "fails", 100)
        await crash(system, "/top/a")
        assert not top.alive


async def test_a_stop_gets_through_a_loop_of_failing_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that tries to restart a hopeless child again and again still listens in between."""
    monkeypatch.setattr(Flaky, "fails", 10**9)
    log: list[str] = []
    async with System() as system:
        spec = ChildSpec("a", lambda: Flaky("a", log))
        top = await system.start(supervisor([spec], intensity=10**9, backoff=Backoff(first=1)))
        await crash(system, "/top/a")
        await anyio.sleep(100)
        assert log.count("a fails to start") > 3
        assert await top.call(Supervisor.StopChild("a"))
        tries = log.count("a fails to start")
        await anyio.sleep(1000)
        assert log.count("a fails to start") == tries
        assert await system.stop_child("top")


async def test_backoff_waits_longer_each_time() -> None:
    """Restarts within the window wait 1, 2, 4 and at most 5 seconds here; the supervisor does not block meanwhile."""
    log: list[str] = []
    backoff = Backoff(first=1, factor=2, limit=5, jitter=0)
    waits: list[float] = []
    async with System() as system:
        top = await system.start(supervisor([player("a", log)], intensity=10, period=1000, backoff=backoff))
        with system.subscribe() as events:
            for _ in range(4):
                system.lookup("/top/a").cast(Crash())
                async for event in events:
                    if event.kind == "restarting":
                        waits.append(-event.at)
                        assert await top.call(Supervisor.StopChild("nobody")) is False
                    if event.kind == "started":
                        waits[-1] += event.at
                        break
    assert waits == pytest.approx([1, 2, 4, 5])


async def test_a_restart_that_waited_takes_along_who_came_meanwhile() -> None:
    """A child that depends on one that waits for its restart, and was started out of order, starts again after it."""
    log: list[str] = []
    backoff = Backoff(first=5, jitter=0)
    specs = [player("a", log), player("b", log)]
    async with System() as system:
        top = await system.start(supervisor(specs, strategy="rest_for_one", backoff=backoff))
        await crash(system, "/top/a")
        await top.call(Supervisor.StartChild(player("c", log)))
        await anyio.sleep(10)
    restart = log[log.index("c starts") :]
    assert restart[:5] == ["c starts", "c stops: Shutdown", "a starts", "b starts", "c starts"]


@pytest.mark.parametrize(
    ("shutdown", "seconds", "ends"),
    [(2.0, 2.0, "Killed"), (math.inf, 60.0, "Shutdown"), ("brutal", 0.0, None)],
)
async def test_a_child_gets_its_budget_to_stop(shutdown: float, seconds: float, ends: str | None) -> None:
    """A handler that goes on is waited for within the budget, then cancelled; brutally, at once, with no clean-up."""

    class Busy(Player):
        @on(Say)
        async def work(self, _: Say) -> None:
            await anyio.sleep(60)

    log: list[str] = []
    async with System() as system:
        ref = await system.start(ChildSpec("a", lambda: Busy("a", log), shutdown=shutdown))
        ref.cast(Say("work"))
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("a")
        assert anyio.current_time() - began == pytest.approx(seconds, abs=0.2)
        assert log[1:] == ([f"a stops: {ends}"] if ends else [])


async def test_a_supervisor_in_shutdown_is_not_disturbed_by_children_that_end_by_themselves() -> None:
    """While the last child takes its time to stop, others crash and leave: none is restarted, the end is orderly."""

    class Slow(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(3)
            await super().stopped(exit)

    log: list[str] = []
    specs = [
        player("crashes", log, restart="permanent"),
        player("leaves", log, restart="permanent"),
        player("hangs", log, restart="transient", shutdown=1),
        ChildSpec("slow", lambda: Slow("slow", log)),
    ]
    async with System() as system, anyio.create_task_group() as group:
        top = await system.start(supervisor(specs))
        group.start_soon(system.stop_child, "top")
        await anyio.sleep(1)
        system.lookup("/top/crashes").cast(Crash())
        system.lookup("/top/leaves").cast(Leave(Normal()))
        system.lookup("/top/hangs").cast(Hang())
        assert await system.join(top) == Shutdown()
        with pytest.raises(NotDelivered):
            await top.call(Supervisor.StopChild("slow"))
    ends = ["crashes stops: Crashed", "leaves stops: Normal", "slow stops: Shutdown", "hangs stops: Killed"]
    assert sorted(log[4:]) == sorted(ends)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"strategy": "all_for_one"}, "strategy='all_for_one' must be one of one_for_one"),
        ({"auto_shutdown": "maybe"}, "auto_shutdown='maybe' must be one of never"),
        ({"intensity": -1}, "intensity=-1 must be 0 or more"),
        ({"period": 0}, "period=0 a positive number"),
        ({"children": [player("a", []), player("a", [])]}, "child ids must differ: a, a"),
        ({"children": [player("a", [], restart="transient", significant=True)]}, "'a' is significant, which needs"),
    ],
)
def test_a_mistake_in_a_supervisors_settings_is_told_at_once(options: dict[str, object], text: str) -> None:
    """Settings are checked when the supervisor is made, by name and with what is allowed."""
    with pytest.raises(ValueError, match=text):
        Supervisor(**options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
