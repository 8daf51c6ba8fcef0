"""One deadline over everything: what takes too long, or never ends, costs no more than its share."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest
from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.sandboxes._simulated_fate import draw_fate
from greenroom.sandboxes.simulated import SimulatedBackend, SimulatedSandbox
from greenroom.specs import Environment, Simulated, TaskSpec
from tests.engine.playing import a_task, an_engine, answer, assert_clean, backend, play_one

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
