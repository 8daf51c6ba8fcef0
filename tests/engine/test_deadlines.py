"""One deadline over everything: what takes too long, or never ends, costs no more than its share."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.sandboxes._simulated_fate import draw_fate
from greenroom.sandboxes.simulated import SimulatedBackend, SimulatedSandbox
from greenroom.specs import Environment, Simulated, TaskSpec
from tests.engine.playing import a_task, an_engine, answer, assert_clean, backend, play, play_one

pytestmark = pytest.mark.anyio


class Sticky(SimulatedSandbox):
    """A sandbox that takes ten minutes to close, unless it is made to."""

    async def close(self) -> None:
        await anyio.sleep(600)
        await super().close()


class StickyBackend(SimulatedBackend):
    """Makes nothing but those, and closes them by force in the end."""

    make = Sticky

    async def close(self) -> None:
        for sandbox in list(self.sandboxes.values()):
            await SimulatedSandbox.close(sandbox)
        await super().close()


@pytest.fixture
def sticky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated sandboxes that do not close in time."""
    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedSandbox", Sticky)
    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedBackend", StickyBackend)


async def first(engine: Engine, task: TaskSpec) -> tuple[Outcome, float]:
    """The outcome of a task, and how long it took to come."""
    began = anyio.current_time()
    async with aclosing(engine.run([task])) as outcomes:
        outcome = await anext(outcomes)
    return outcome, anyio.current_time() - began


@pytest.mark.parametrize(
    ("task", "sandbox"),
    [
        (a_task(deadline=60, setup=("sleep 100000",)), Simulated()),
        (a_task(deadline=60), Simulated(turn=1e6)),
        (a_task(deadline=60, verify=("sleep 100000",), verify_timeout=1e6), Simulated()),
        (a_task(deadline=30), Simulated(turn=1.2)),
    ],
)
async def test_clean_up_that_hangs_holds_up_no_outcome(sticky: None, task: TaskSpec, sandbox: Simulated) -> None:
    """A sandbox that does not close costs the reserve of clean-up, and the outcome comes within the deadline."""
    async with an_engine(sandbox=sandbox, shutdown=300) as engine:
        outcome, seconds = await first(engine, task)
        assert seconds <= (task.deadline or 0)
        assert outcome.attempts


async def test_a_cancelled_rollout_waits_for_its_clean_up_no_longer_than_the_reserve(sticky: None) -> None:
    """A rollout that is cancelled early gives its outcome although its sandbox does not close."""
    async with an_engine(sandbox=Simulated(turn=1e6), shutdown=300) as engine, anyio.create_task_group() as group:
        outcomes: list[tuple[Outcome, float]] = []

        async def consume() -> None:
            outcomes.append(await first(engine, a_task(deadline=10_000)))

        group.start_soon(consume)
        await anyio.sleep(10)
        await engine.stop("enough")
    ((outcome, seconds),) = outcomes
    assert outcome.status == "cancelled"
    assert seconds <= 10 + 15


async def test_a_second_sandbox_may_take_its_time_to_boot() -> None:
    """A verifier's own sandbox has as long to boot as the deadline leaves."""
    task = a_task(verifier="isolated", verify_environment=Environment())
    outcome = await play_one(an_engine(sandbox=Simulated(boot=40)), task)
    assert (outcome.status, outcome.reward) == ("completed", 1.0)


async def test_a_hang_waits_for_its_time_or_is_bounded() -> None:
    """A simulated agent that hangs has what the deadline leaves it, 1665 s by default, or the time it is given."""
    for hang, status in ((None, "agent_timeout"), (30.0, "agent_failed")):
        spec = Simulated(boot=0.0, turn=0.0, turns=1, fault_rate=1.0, hang=hang)
        seed = next(n for n in range(99) if draw_fate(replace(spec, seed=n), "r-000001-1").misfortune == "agent_hung")
        async with Engine("simulated", model=answer, sandbox=replace(spec, seed=seed)) as engine:
            outcome, seconds = await first(engine, a_task())
        assert outcome.status == status
        assert 1665 <= seconds <= 1666 if hang is None else 30 <= seconds <= 32


async def test_every_attempt_shares_the_one_deadline() -> None:
    """What the first attempts used up is missing to the last: attempts go on until the time is up, and no longer."""
    async with an_engine(sandbox=Simulated(seed=2, fault_rate=1.0, turn=20), attempts=1000) as engine:
        outcome, seconds = await first(engine, a_task(deadline=600))
        assert seconds <= 600
        assert len(outcome.attempts) > 1
        assert_clean(engine)
        assert backend(engine).created == len(outcome.attempts)


AGENT_LATE = "the agent did not end within"
WHERE = [
    (
        a_task(deadline=120, setup=("sleep 3",)),
        Simulated(boot=1.0, turn=1e6),
        (
            f"{AGENT_LATE} 56.0 s, which is what the deadline of 120 s left "
            "(boot 1.0 s, set-up 3.0 s, kept for verification 48.0 s, kept for clean-up 12.0 s)"
        ),
    ),
    (
        a_task(deadline=120, agent_timeout=100),
        Simulated(boot=50.0, turn=1e6),
        (
            f"{AGENT_LATE} 10.0 s, which is what the deadline of 120 s left of the task's agent_timeout of 100 s "
            "(boot 50.0 s, kept for verification 48.0 s, kept for clean-up 12.0 s)"
        ),
    ),
    (
        a_task(deadline=1000, agent_timeout=20),
        Simulated(boot=1.0, turn=1e6),
        (
            f"{AGENT_LATE} 20 s, the task's agent_timeout "
            "(boot 1.0 s, kept for verification 120.0 s, kept for clean-up 15.0 s)"
        ),
    ),
    (
        a_task(deadline=1000, verify=("sleep 99",), verify_timeout=5),
        Simulated(),
        "the verify commands did not end within 5 s, the task's verify_timeout: sleep 99",
    ),
    (
        a_task(deadline=120, setup=("sleep 99",)),
        Simulated(boot=1.0),
        (
            "set-up command took too long: there were 59.0 s, "
            "which is what the deadline of 120 s left of the task's setup_timeout of 300 s: sleep 99"
        ),
    ),
    (
        a_task(setup=("sleep 99",), setup_timeout=7),
        Simulated(),
        "set-up command took too long: there were 7 s, the task's setup_timeout: sleep 99",
    ),
    (
        a_task(deadline=100),
        Simulated(boot=1e6),
        "the sandbox did not boot within 50 s",
    ),
    (
        a_task(deadline=100, setup=("sleep 3",), verify=("sleep 999",), verify_timeout=1000),
        Simulated(boot=1.0, turn=5.0, turns=4),
        (
            "the rollout's deadline passed during verify "
            "(100 s: boot 1.0 s, set-up 3.0 s, agent 24.0 s, verification 62.0 s, kept for clean-up 10.0 s)"
        ),
    ),
]


@pytest.mark.parametrize(("task", "sandbox", "text"), WHERE, ids=lambda value: value.id if hasattr(value, "id") else "")
async def test_a_fault_of_time_says_where_the_time_went(task: TaskSpec, sandbox: Simulated, text: str) -> None:
    """It says whose limit it was, what the earlier phases took, and for what time was kept."""
    outcome = await play_one(an_engine(sandbox=sandbox, attempts=1), task)
    assert outcome.fault is not None
    assert outcome.fault.message == text


async def test_earlier_attempts_are_a_part_of_it() -> None:
    """What attempts before took is named, since the one deadline is for all of them."""
    spec = Simulated(boot=1.0, turn=1e6, fault_rate=0.5)
    bad = next(
        n
        for n in range(999)
        if draw_fate(replace(spec, seed=n), "r-000001-1").misfortune == "boot_failed"
        and draw_fate(replace(spec, seed=n), "r-000001-2").misfortune is None
    )
    outcome = await play_one(an_engine(sandbox=replace(spec, seed=bad)), a_task(deadline=120))
    assert outcome.fault is not None
    assert len(outcome.attempts) == 2
    assert "left (earlier attempts " in outcome.fault.message


async def test_shares_are_told_once() -> None:
    """A run's log says once how each deadline is shared out, and warns once of each share that cuts a task short."""
    work = [
        a_task("a", deadline=120, agent_timeout=100),
        a_task("b", deadline=120, agent_timeout=100),
        a_task("c", verify_timeout=60),
        a_task("d", deadline=100, verify=()),
    ]
    with capture_logs() as logs:
        await play(an_engine(deadline=1000), work, samples=3)
    shared = [{k: v for k, v in entry.items() if k != "event"} for entry in logs if entry["event"] == "deadline_shared"]
    parts = {"work": 60.0, "verification": 48.0, "clean_up": 12.0}
    assert shared[0] == {"log_level": "info", "task": "a", "deadline": 120, **parts}
    assert [entry["task"] for entry in shared] == ["a", "c", "d"]
    short = [entry for entry in logs if entry["event"] == "deadline_short"]
    assert [(entry["log_level"], entry["task"], entry["note"]) for entry in short] == [
        (
            "warning",
            "a",
            (
                "the deadline of 120 s leaves 60 s for boot, set-up and agent together, "
                "less than the 100 s that agent_timeout asks for"
            ),
        ),
        (
            "warning",
            "a",
            "the deadline of 120 s leaves 48 s for verification, less than the 120 s that verify_timeout asks for",
        ),
    ]
    assert (short[0]["agent_timeout"], short[1]["verify_timeout"], short[1]["share"]) == (100, 120, 48)


async def test_what_comes_for_ever_is_not_told_for_ever() -> None:
    """Tasks that each have a deadline of their own fill neither the log nor the memory."""
    with capture_logs() as logs:
        await play(an_engine(), [a_task(f"t{n}", deadline=100 + n) for n in range(60)])
    assert [sum(entry["event"] == name for entry in logs) for name in ("deadline_shared", "deadline_short")] == [32, 32]
