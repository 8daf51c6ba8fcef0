"""A retry gets a fair share of the time, or there is none: what a lost sandbox has used up is not the agent's fault.

Measured by ourselves: a rollout of 40 s whose sandbox was killed after 20 s gave its second agent 10 s, and the zero of
that agent's timeout was taken for a valid one.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from greenroom.messages import Outcome
from greenroom.sandboxes._simulated_fate import draw_fate
from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.simulated import SimulatedBackend
from greenroom.specs import Simulated, TaskSpec
from tests.engine.playing import a_task, an_engine, answer, backend, quick

pytestmark = pytest.mark.anyio

NO_TIME = "no time for a fair attempt"
LONG = Simulated(boot=1.0, turn=5.0, turns=5)
"""An agent that works for 25 s."""


def short(**fields: Any) -> TaskSpec:  # noqa: ANN401 - fields of all types
    """A task of 40 s: 4 s are for clean-up, 5 s for verification, 31 s for the rest."""
    usual: dict[str, Any] = {"deadline": 40, "verify": ("false",), "verify_timeout": 5}
    return a_task(**(usual | fields))


async def killed(task: TaskSpec, *after: float, sandbox: Simulated = LONG, **options: Any) -> Outcome:  # noqa: ANN401
    """Its outcome, when the sandbox that lives so many seconds later is lost, and another one after that."""
    engine = an_engine(model=quick, sandbox=sandbox, **options)
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([task])])

        group.start_soon(consume)
        for seconds in after:
            await anyio.sleep(seconds)
            for found in backend(engine).sandboxes.values():
                found.die()
    (outcome,) = outcomes
    return outcome


def unscored(outcome: Outcome, *blames: str) -> str:
    """Nobody is judged; what the fault says."""
    assert (outcome.reward, outcome.reward_valid) == (None, False)
    assert outcome.fault is not None
    assert outcome.fault.blame in blames
    return outcome.fault.message


@pytest.mark.parametrize(
    "task",
    [short(), short(agent_timeout=25), short(agent_timeout=25, retry_with=0.9)],
    ids=["deadline", "agent_timeout", "retry_with"],
)
async def test_a_retry_without_time_is_not_begun(task: TaskSpec) -> None:
    """A sandbox that is lost when there is no time for another fair attempt ends the rollout with that failure."""
    outcome = await killed(task, 21)
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed"]
    said = unscored(outcome, "sandbox")
    assert said.startswith(f"simulated death of the sandbox; {NO_TIME}: ")
    assert "the deadline of 40 s leaves 9.0 s (earlier attempts 21.0 s, kept for verification 5.0 s," in said
    assert outcome.attempts[0].fault is not None
    assert NO_TIME not in outcome.attempts[0].fault.message


@pytest.mark.parametrize("retry_with", [0, 0.2, 0.25, 5, 7.5])
@pytest.mark.parametrize("limit", [None, 30])
async def test_a_task_may_do_with_less(retry_with: float, limit: float | None) -> None:
    """With less time asked for the attempt is made; that it is not over in time is not the agent's fault."""
    outcome = await killed(short(agent_timeout=limit, retry_with=retry_with), 21)
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed", "agent_timeout"]
    said = unscored(outcome, "engine")
    assert "which is what the deadline of 40 s left" in said
    assert "(earlier attempts 2" in said
    assert "; the first attempt's had 30.0 s" in said


async def test_what_is_done_in_less_time_counts() -> None:
    """A later attempt that ends by itself is judged, however little time it had."""
    outcome = await killed(short(retry_with=5), 21, sandbox=replace(LONG, turns=1))
    assert outcome.status == "completed"
    task = short(retry_with=5, verify=("true",))
    outcome = await killed(task, 4, sandbox=replace(LONG, turns=1))
    assert (len(outcome.attempts), outcome.status, outcome.reward) == (2, "completed", 1.0)


async def test_a_deadline_that_leaves_room_gives_a_retry_the_same_time() -> None:
    """With an `agent_timeout` the second agent has all of it again, and its timeout is its own."""
    task = a_task(agent_timeout=30, deadline=400, verify=("false",))
    outcome = await killed(task, 21)
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed", "completed"]
    outcome = await killed(task, 21, sandbox=replace(LONG, turn=1e6))
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed", "agent_timeout"]
    assert (outcome.reward, outcome.reward_valid) == (0.0, True)
    assert outcome.attempts[1].agent_seconds == pytest.approx(30)


async def test_the_time_until_the_agent_starts_is_counted() -> None:
    """Where a second boot would take what the second agent needs, there is no second attempt."""
    # 265 s for boot, set-up and agent: 60 and 100 in the first attempt, and 60 and 45 in the second.
    task = a_task(deadline=400, agent_timeout=101, verify=("false",))
    outcome = await killed(task, 160, sandbox=replace(LONG, boot=60, turn=50))
    assert len(outcome.attempts) == 1
    assert NO_TIME in unscored(outcome, "sandbox")


async def test_a_boot_that_takes_too_long_starts_no_agent() -> None:
    """If the time for a fair attempt is lost in its boot, its agent is not even started."""
    spec = Simulated(boot=3.0, turn=10, turns=4, fault_rate=0.9)
    found = next(
        n
        for n in range(9999)
        if draw_fate(replace(spec, seed=n), "r-000001-1").misfortune == "lost_with_agent"
        and draw_fate(replace(spec, seed=n), "r-000001-2").misfortune == "slow_boot"
    )
    seed = replace(spec, seed=found)
    lost = draw_fate(seed, "r-000001-1").dies_after
    work = 3 + lost + 1 + 3 + 41 + 9
    task = a_task(agent_timeout=41, deadline=(work + 20) / 0.9, verify=("false",), verify_timeout=20)
    engine = an_engine(model=quick, sandbox=seed)
    async with engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed", "agent_timeout"]
    said = unscored(outcome, "engine")
    assert said.startswith(f"{NO_TIME}: the agent would have had ")
    assert outcome.attempts[1].turns == ()
    assert outcome.attempts[1].agent_seconds == 0


class Down(SimulatedBackend):
    """Makes no sandboxes from a certain moment on."""

    until = 0.0

    async def create(self, request: Any) -> Any:  # noqa: ANN401 - as its base
        if anyio.current_time() > self.until:
            raise SandboxError("daemon_lost", "it is down")
        return await super().create(request)


async def test_waiting_for_a_backend_ends_when_a_fair_attempt_is_no_longer_possible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rollouts that wait for what is broken do so for as long as another attempt could be a fair one."""
    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedBackend", Down)
    monkeypatch.setattr(Down, "until", anyio.current_time() + 1, raising=False)
    engine = an_engine(model=answer, sandbox=LONG, concurrency=8, attempts=50)
    tasks = [a_task(f"t{n}", agent_timeout=100, deadline=600, verify=("false",)) for n in range(8)]
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run(tasks)])

        group.start_soon(consume)
        await anyio.sleep(10)
        for found in backend(engine).sandboxes.values():
            found.die()
    for outcome in outcomes:
        assert NO_TIME in unscored(outcome, "sandbox")
        # 465 s are for boot, set-up and agent, and the agent needs 100 of them; a call's timeout may be a little late.
        assert outcome.timings["total"] <= (465 - 100) * 33 / 32


@pytest.mark.parametrize("seed", range(4))
async def test_no_timeout_with_less_time_than_a_first_attempt_is_ever_valid(seed: int) -> None:
    """In a run full of lost sandboxes and hanging agents, every valid timeout had what a first attempt has."""
    spec = Simulated(seed=seed, fault_rate=0.8, boot=1, turn=5, turns=5)
    kinds: list[dict[str, float]] = [
        {},
        {"retry_with": 0.1},
        {"agent_timeout": 28},
        {"agent_timeout": 28, "retry_with": 4},
        {"agent_timeout": 28, "deadline": 150},
    ]
    tasks = [short(id=f"t{n}", **kinds[n % len(kinds)]) for n in range(50)]
    engine = an_engine(model=answer, sandbox=spec, attempts=5)
    async with engine:
        outcomes = [outcome async for outcome in engine.run(tasks)]
    assert len(outcomes) == 50
    for outcome in outcomes:
        timeouts = outcome.status == "agent_timeout"
        last = outcome.attempts[-1] if outcome.attempts else None
        if timeouts and outcome.reward_valid and len(outcome.attempts) > 1:
            assert last is not None
            assert last.agent_seconds + last.model_seconds >= 28 - 1e-6
    assert {outcome.status for outcome in outcomes} >= {"completed", "sandbox_failed"}
    assert any(NO_TIME in (outcome.fault.message if outcome.fault else "") for outcome in outcomes)
