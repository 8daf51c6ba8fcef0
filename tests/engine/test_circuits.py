"""What is broken for everybody costs a handful of attempts, and what is not broken notices nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.simulated import SimulatedBackend, SimulatedSandbox
from greenroom.specs import AgentSpec, Environment, Invocation, Launch, TaskSpec
from tests.engine.playing import a_task, an_engine, assert_clean, tasks
from tests.engine.test_admission import Imaged

pytestmark = pytest.mark.anyio


class Trouble(SimulatedBackend):
    """Sandboxes that do not boot, by image, and how often that was tried."""

    broken: dict[str, str]
    """By image, with the kind of the error; ``*`` is all of them."""
    tries: Counter[str]

    async def create(self, request: SandboxRequest) -> SimulatedSandbox:
        image = (request.environment and request.environment.image) or "usual"
        self.tries[image] += 1
        kind = self.broken.get(image) or self.broken.get("*")
        if kind is not None:
            await anyio.sleep(1)
            raise SandboxError(kind, f"there is no {image}")
        return await super().create(request)


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> type[Trouble]:
    """What is broken, to be set by the test."""
    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedBackend", Trouble)
    monkeypatch.setattr(Trouble, "broken", {}, raising=False)
    monkeypatch.setattr(Trouble, "tries", Counter[str](), raising=False)
    return Trouble


def of_image(image: str, count: int) -> list[TaskSpec]:
    """Tasks that need an image."""
    return [a_task(f"{image}-{number}", environment=Environment(image=image)) for number in range(count)]


@asynccontextmanager
async def running(engine: Engine, work: list[TaskSpec]) -> AsyncGenerator[list[Outcome]]:
    """The engine at work, and the outcomes it has given so far."""
    outcomes: list[Outcome] = []

    async def consume() -> None:
        async for outcome in engine.run(work):
            outcomes.append(outcome)  # noqa: PERF401 - read while it grows

    async with engine, anyio.create_task_group() as group:
        group.start_soon(consume)
        yield outcomes
    assert len(outcomes) == len(work)


async def test_a_broken_image_costs_a_handful_of_attempts(trouble: type[Trouble]) -> None:
    """Of a thousand rollouts of a broken image, five are attempted, once; the others say that the circuit is open."""
    trouble.broken["bad"] = "boot_failed"
    engine = an_engine(sandbox=Imaged(), concurrency=200)
    async with running(engine, [*of_image("bad", 1000), *of_image("good", 50)]) as outcomes:
        pass
    bad = [outcome for outcome in outcomes if outcome.task_id.startswith("bad")]
    good = [outcome for outcome in outcomes if outcome.task_id.startswith("good")]
    assert trouble.tries["bad"] == sum(len(outcome.attempts) for outcome in bad) == 5
    assert Counter(outcome.fault.kind for outcome in bad if outcome.fault) == {"boot_failed": 5, "circuit_open": 995}
    assert {(outcome.status, outcome.reward, outcome.reward_valid) for outcome in bad} == {
        ("sandbox_failed", None, False)
    }
    assert {outcome.status for outcome in good} == {"completed"}


async def test_an_image_is_tried_again_after_a_rest(trouble: type[Trouble]) -> None:
    """When the rest is over one rollout tries it; once it boots, everybody may."""
    trouble.broken["bad"] = "boot_failed"
    engine = an_engine(sandbox=Imaged(), concurrency=50)
    async with engine:
        assert len([outcome async for outcome in engine.run(of_image("bad", 20))]) == 20
        (circuit,) = engine.snapshot().circuits
        assert (circuit.name, circuit.state, circuit.error) == ("image:bad", "open", "there is no bad")
        await anyio.sleep(31)
        assert engine.snapshot().circuits[0].state == "half_open"
        outcomes = [outcome async for outcome in engine.run(of_image("bad", 20))]
        assert trouble.tries["bad"] == 6
        assert Counter(o.fault.kind for o in outcomes if o.fault) == {"boot_failed": 1, "circuit_open": 19}
        trouble.broken.clear()
        await anyio.sleep(61)
        outcomes = [outcome async for outcome in engine.run(of_image("bad", 20))]
        assert {outcome.status for outcome in outcomes} == {"completed"}
        assert engine.snapshot().circuits == ()
        assert_clean(engine)


async def test_what_was_mended_can_be_tried_at_once(trouble: type[Trouble]) -> None:
    """Whoever mended an image need not wait for the end of its rest."""
    trouble.broken["bad"] = "boot_failed"
    engine = an_engine(sandbox=Imaged(), concurrency=50)
    async with engine:
        assert len([outcome async for outcome in engine.run(of_image("bad", 20))]) == 20
        trouble.broken.clear()
        engine.close_circuits()
        outcomes = [outcome async for outcome in engine.run(of_image("bad", 20))]
        assert {outcome.status for outcome in outcomes} == {"completed"}


async def test_a_backend_that_is_down_is_waited_for(trouble: type[Trouble]) -> None:
    """While it is down next to nothing is tried, the snapshot says why, and nobody's rollout is lost by it."""
    trouble.broken["*"] = "daemon_lost"
    engine = an_engine(concurrency=20, attempts=10)
    async with running(engine, tasks(50)) as outcomes:
        await anyio.sleep(300)
        assert "backend:simulated: the last " in engine.snapshot().paused
        assert engine.snapshot().running == 5
        assert trouble.tries.total() <= 10
        assert outcomes == []
        trouble.broken.clear()
    assert {outcome.status for outcome in outcomes} == {"completed"}
    assert engine.snapshot().paused == ""


async def test_a_backend_that_goes_down_is_waited_for(trouble: type[Trouble]) -> None:
    """Rollouts that lose their sandboxes with it make their next attempts when it is back."""
    engine = an_engine(concurrency=20, attempts=3)
    async with running(engine, tasks(60)) as outcomes:
        await anyio.sleep(20)
        trouble.broken["*"] = "daemon_lost"
        await anyio.sleep(200)
        assert "backend:simulated" in engine.snapshot().paused
        trouble.broken.clear()
    assert Counter(outcome.status for outcome in outcomes)["completed"] >= 55


async def test_waiting_for_a_backend_ends_with_the_deadline(trouble: type[Trouble]) -> None:
    """A rollout that waits for another attempt ends in time, with what its last one was."""
    trouble.broken["*"] = "daemon_lost"
    engine = an_engine(concurrency=5, deadline=100)
    began = anyio.current_time()
    async with running(engine, tasks(5)) as outcomes:
        pass
    assert anyio.current_time() - began <= 100
    assert {(o.status, o.fault.kind) for o in outcomes if o.fault} == {("sandbox_failed", "daemon_lost")}


def lame(launch: Launch) -> Invocation:
    """A program that is not there."""
    return Invocation(argv=("/bin/sh", "-c", "exit 127"), stdin=launch.instruction)


async def test_an_agent_that_cannot_be_started_is_left_alone(trouble: type[Trouble]) -> None:
    """After as many failed starts as it takes, rollouts are refused with the agent's blame."""
    agent = AgentSpec(name="lame", dialect="chat", command=lame)
    engine = an_engine(agent, concurrency=4)
    async with running(engine, tasks(100)) as outcomes:
        pass
    assert {outcome.status for outcome in outcomes} == {"agent_failed"}
    kinds = Counter(outcome.fault.kind for outcome in outcomes if outcome.fault)
    assert 8 <= kinds["agent_not_started"] <= 8 + 4
    assert kinds.total() == 100
    assert set(kinds) == {"agent_not_started", "circuit_open"}


async def test_a_cancelled_wait_leaves_nothing(trouble: type[Trouble]) -> None:
    """Stopping an engine whose rollouts all wait for their backend ends all of them."""
    trouble.broken["*"] = "daemon_lost"
    engine = an_engine(concurrency=5, deadline=1e6)
    async with running(engine, tasks(5)) as outcomes:
        await anyio.sleep(100)
        await engine.stop("enough")
        assert_clean(engine)
    assert {outcome.status for outcome in outcomes} == {"cancelled"}
