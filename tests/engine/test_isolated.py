"""A verifier's own sandbox under supervision, in virtual time: it is owned, bounded, and never left behind."""

from __future__ import annotations

import anyio
import pytest

from greenroom.messages import Outcome
from greenroom.specs import Artifact, Environment, Healthcheck, Simulated, TaskSpec
from tests.engine.playing import a_task, an_engine, backend, play, play_one, stage, tasks

pytestmark = pytest.mark.anyio


def isolated(id: str = "t", **fields: object) -> TaskSpec:
    """A task that is judged in a sandbox of the verifier's own."""
    return a_task(id, verifier="isolated", artifacts=(Artifact(source="x"),), **fields)


async def test_two_sandboxes_are_made_and_none_is_left() -> None:
    """Each attempt makes the agent's sandbox, closes it, makes the verifier's, and closes that."""
    engine = an_engine()
    outcome = await play_one(engine, isolated())
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert (backend(engine).created, backend(engine).closed) == (2, 2)
    assert outcome.attempts[0].sandbox_id == "r-000001-1"


async def test_nothing_is_made_for_an_agent_that_is_not_judged() -> None:
    """Without anything to judge there is no second sandbox."""
    engine = an_engine()
    outcome = await play_one(engine, isolated(setup=("false",)))
    assert outcome.status == "setup_failed"
    assert backend(engine).created == 1


@pytest.mark.parametrize("actor", ["verifier-sandbox", "sandbox", "verifier"])
async def test_killing_an_actor_while_it_is_judged_costs_the_attempt(actor: str) -> None:
    """Whichever actor dies during an isolated verification, the rollout goes on and leaves nothing."""
    engine = an_engine()
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([isolated(verify=("sleep 50",))])])

        group.start_soon(consume)
        await anyio.sleep(60)  # the agent has ended, and the verify command runs
        engine.system.kill(engine.system.lookup(f"/engine/rollouts/r-000001/attempt-1/{actor}"))
        await anyio.sleep(300)
        assert backend(engine).live == 0
        assert stage(engine).leases == {}
    (outcome,) = outcomes
    assert (outcome.status, outcome.reward, len(outcome.attempts)) == ("completed", 1.0, 2)


async def test_a_verifiers_sandbox_that_dies_is_a_sandbox_fault() -> None:
    """Its death is not the agent's, nor the task's: a whole new attempt is made."""
    engine = an_engine()
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([isolated(verify=("sleep 50",))])])

        group.start_soon(consume)
        await anyio.sleep(60)
        backend(engine).sandboxes["r-000001-1-v"].die()
        await anyio.sleep(300)
    (outcome,) = outcomes
    first, second = outcome.attempts
    assert first.fault is not None
    assert (first.status, first.fault.kind, first.fault.phase) == ("sandbox_failed", "sandbox_lost", "verify")
    assert (second.status, outcome.reward) == ("completed", 1.0)


async def test_many_with_misfortunes_all_end_once() -> None:
    """Hundreds of isolated rollouts with random deaths each give one outcome, and nothing is left."""
    engine = an_engine(sandbox=Simulated(fault_rate=0.5, seed=3), deadline=5000)
    work = [isolated(task.id) for task in tasks(100)]
    outcomes = await play(engine, work)
    assert len({outcome.task_id for outcome in outcomes}) == 100
    assert all(outcome.reward in (1.0, None) for outcome in outcomes)


async def test_a_second_boot_has_its_time_within_the_deadline() -> None:
    """What a fresh sandbox and its set-up take is set aside before the agent gets the rest."""
    engine = an_engine(sandbox=Simulated(boot=20, turn=1e6))
    outcome = await play_one(
        engine,
        isolated(deadline=600.0, setup=("sleep 30",), setup_timeout=60.0, verify=("sleep 30",), verify_timeout=40.0),
    )
    assert (outcome.status, outcome.reward) == ("agent_timeout", 1.0)
    assert outcome.timings["total"] < 600


async def test_a_healthcheck_holds_for_both() -> None:
    """Each of the two sandboxes must be healthy before anything happens in it."""
    environment = Environment(healthcheck=Healthcheck(command="exit 1", retries=2))
    outcome = await play_one(an_engine(), isolated(environment=environment))
    assert (outcome.status, outcome.fault and outcome.fault.kind) == ("setup_failed", "healthcheck_failed")
    assert outcome.timings["setup"] >= 5.0
