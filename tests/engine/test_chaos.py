"""Actors are killed at random while rollouts run: the promises hold all the same."""

from __future__ import annotations

from random import Random

import anyio
import pytest

from greenroom.engine import Engine, EngineError
from greenroom.messages import Outcome
from greenroom.specs import Simulated
from tests.engine.playing import an_engine, assert_clean, backend, stage, tasks

pytestmark = pytest.mark.anyio

SERVICES = ["/engine/journal", "/engine/interception", "/engine/sandboxes"]


async def kill_at_random(engine: Engine, rng: Random) -> None:
    """Kill an actor of some rollout every few seconds, and one of the engine's services now and then."""
    while True:
        await anyio.sleep(rng.uniform(0.1, 3.0))
        below = [row.path for row in engine.system.tree("/engine/rollouts")[1:]]
        victims = SERVICES if rng.random() < 0.1 or not below else below
        engine.system.kill(engine.system.lookup(rng.choice(victims)))


@pytest.mark.parametrize("seed", range(6))
async def test_one_outcome_each_whoever_dies(seed: int) -> None:
    """Under random kills and random faults, each task still has exactly one outcome and nothing is left."""
    engine = an_engine(sandbox=Simulated(seed=seed, fault_rate=0.2), concurrency=10, deadline=600)
    outcomes: list[Outcome] = []
    async with engine:
        async with anyio.create_task_group() as group:
            group.start_soon(kill_at_random, engine, Random(seed))  # noqa: S311 - a choice of victims
            outcomes.extend([outcome async for outcome in engine.run(tasks(60))])
            group.cancel_scope.cancel()
        await anyio.sleep(120)
        assert_clean(engine)
    assert sorted(outcome.task_id for outcome in outcomes) == sorted(task.id for task in tasks(60))
    assert engine.snapshot().done == 60
    for outcome in outcomes:
        assert outcome.reward_valid == (outcome.status in {"completed", "agent_failed", "agent_timeout"})
        assert (outcome.reward is not None) == outcome.reward_valid


async def test_a_dead_engine_says_so() -> None:
    """If the engine's own supervisor dies, whoever iterates is told, and nothing is left behind."""
    engine = an_engine()

    async def kill() -> None:
        await anyio.sleep(10)
        engine.system.kill(engine.system.lookup("/engine"))

    async with engine, anyio.create_task_group() as group:
        group.start_soon(kill)
        with pytest.raises(EngineError, match="the engine failed: the engine was killed"):
            await anext(engine.run(tasks(5)))
        with pytest.raises(EngineError, match="does not run"):
            await anext(engine.run(tasks(1)))
    assert backend(engine).live == 0
    assert len(stage(engine).routes) == 0


async def test_a_dead_run_takes_its_rollouts_along() -> None:
    """If the actor behind an iteration dies, its consumer is told, its rollouts end, and others are not touched."""
    engine = an_engine()
    outcomes: list[Outcome] = []

    async def consume() -> None:
        outcomes.extend([outcome async for outcome in engine.run(tasks(3))])

    async def kill() -> None:
        await anyio.sleep(10)
        engine.system.kill(engine.system.lookup("/engine/runs/run-2"))

    async with engine:
        async with anyio.create_task_group() as group:
            group.start_soon(consume)
            await anyio.sleep(1)
            group.start_soon(kill)
            with pytest.raises(EngineError, match="the run's own actor failed"):
                await anext(engine.run(tasks(5)))
        assert_clean(engine)
    assert [outcome.status for outcome in outcomes] == ["completed"] * 3


async def test_a_service_that_keeps_dying_ends_the_engine_in_order() -> None:
    """When a service cannot be kept alive the engine gives up: an error for the consumer, no sandbox for nobody."""
    engine = an_engine()

    async def murder() -> None:
        while True:
            engine.system.kill(engine.system.lookup("/engine/journal"))
            await anyio.sleep(0.5)

    async with engine, anyio.create_task_group() as group:
        group.start_soon(murder)
        with pytest.raises(EngineError, match="the engine failed: journal was killed"):
            async for _ in engine.run(tasks(5)):
                pass
        group.cancel_scope.cancel()
    assert backend(engine).live == 0
