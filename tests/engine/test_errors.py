"""The error policy, row by row, as it shows in outcomes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from greenroom.actors.policy import POLICY, Cause
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import AgentSpec, Evidence, Simulated, TaskSpec, Upload
from tests.engine.playing import a_task, an_engine, answer, backend, play_one, shell_agent, stage

pytestmark = pytest.mark.anyio


async def unavailable(_: ModelCall) -> Completion:
    """A model that is not there."""
    raise ModelError("unavailable", "come back later")


async def unauthorized(_: ModelCall) -> Completion:
    """A model with the wrong key."""
    raise ModelError("unauthorized", "wrong key", retryable=False)


async def surprising(_: ModelCall) -> Completion:
    """A model with a defect."""
    raise RuntimeError("sk-secret")


async def overflowing(call: ModelCall) -> Completion:
    """A model whose context is short."""
    if call.index == 1:
        raise ModelError("context_length", "too long", retryable=False)
    return await answer(call)


NAN = "echo nan > $GREENROOM_REWARD_FILE"
NOWHERE = Upload(source="/nowhere", target="/tests", files=("test.sh",))


async def broken_scorer(_: Evidence) -> float:
    """A scorer with a defect."""
    raise ZeroDivisionError


async def unsure(_: Evidence) -> None:
    """A scorer that cannot tell."""


async def infinite(_: Evidence) -> float:
    """A scorer that gives no number."""
    return float("inf")


ROWS: list[tuple[Cause, str | AgentSpec, dict[str, Any], TaskSpec]] = [
    ("finished", "simulated", {}, a_task()),
    ("finished", shell_agent("true"), {}, a_task()),
    ("turns_used_up", "simulated", {}, a_task(max_turns=2)),
    ("turns_used_up", "simulated", {"model": overflowing}, a_task()),
    ("agent_timeout", "simulated", {}, a_task(agent_timeout=3)),
    ("agent_exit", shell_agent("exit 3"), {}, a_task()),
    ("agent_exit", shell_agent("exit 3", may_be_silent=False), {}, a_task()),
    ("agent_silent", shell_agent("true", may_be_silent=False), {}, a_task()),
    ("agent_silent", shell_agent("exit 3", exit_code_lies=True, may_be_silent=False), {}, a_task()),
    ("agent_timeout", shell_agent("sleep 9", may_be_silent=False), {}, a_task(agent_timeout=3)),
    ("agent_not_started", shell_agent("exit 127"), {}, a_task()),
    ("setup_failed", "simulated", {}, a_task(setup=("true", "exit 7", "true"))),
    ("setup_failed", "simulated", {}, a_task(setup=("sleep 99",), setup_timeout=5)),
    ("sandbox_failed", "simulated", {"sandbox": Simulated(boot=1e9)}, a_task()),
    ("model_failed", "simulated", {"model": unavailable}, a_task()),
    ("model_failed", "simulated", {"model": surprising}, a_task()),
    ("model_refused", "simulated", {"model": unauthorized}, a_task()),
    ("reward_invalid", "simulated", {}, a_task(reward="file", verify=(NAN,))),
    ("reward_invalid", "simulated", {}, a_task(reward="file", verify=("true",))),
    ("verify_timeout", "simulated", {}, a_task(verify=("sleep 99",), verify_timeout=5)),
    ("verify_setup_failed", "simulated", {}, a_task(verify_uploads=(NOWHERE,))),
    ("scorer_failed", "simulated", {}, a_task(score=broken_scorer)),
    ("no_verdict", "simulated", {}, a_task(score=unsure)),
    ("reward_invalid", "simulated", {}, a_task(score=infinite)),
]


@pytest.mark.parametrize(("cause", "agent", "options", "task"), ROWS)
async def test_each_cause_has_its_consequences(
    cause: Cause, agent: str | AgentSpec, options: dict[str, Any], task: TaskSpec
) -> None:
    """Status, blame, retries, grading and validity of the reward are what the table says."""
    outcome = await play_one(an_engine(agent, attempts=3, deadline=20_000, **options), task)
    assert_row(cause, outcome)


def assert_row(cause: Cause, outcome: Outcome) -> None:
    """The outcome is as the policy has it."""
    row = POLICY[cause]
    assert outcome.status == row.status
    assert (outcome.fault.blame if outcome.fault else None) == row.blame
    assert len(outcome.attempts) == (3 if row.retry else 1)
    assert outcome.reward == (1.0 if row.graded else None)
    assert outcome.reward_valid == row.reward_valid
    assert {attempt.status for attempt in outcome.attempts} == {row.status}


KILLS = [
    ("mailbox", "actor_failed"),
    ("sandbox", "actor_failed"),
    ("agent", "actor_failed"),
    ("verifier", "verifier_crashed"),
]


@pytest.mark.parametrize(("actor", "cause"), KILLS)
@pytest.mark.parametrize("seconds", [0.5, 1.0, 6.5, 24.0, 25.5])
async def test_killing_any_actor_of_an_attempt_costs_the_attempt(actor: str, cause: Cause, seconds: float) -> None:
    """Whichever actor of an attempt is killed, whenever, the rollout goes on with a new attempt and one outcome."""
    engine = an_engine()
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task(verify=("sleep 5",))])])

        group.start_soon(consume)
        await anyio.sleep(seconds)
        engine.system.kill(engine.system.lookup(f"/engine/rollouts/r-000001/attempt-1/{actor}"))
        await anyio.sleep(100)
        assert backend(engine).live == 0
        assert len(stage(engine).routes) == 0
        assert stage(engine).leases == {}
    (outcome,) = outcomes
    first, second = outcome.attempts
    assert first.fault is not None
    assert (first.status, first.fault.kind) == (POLICY[cause].status, "killed")
    assert (second.status, outcome.status, outcome.reward) == ("completed", "completed", 1.0)


@pytest.mark.parametrize("path", ["r-000001", "r-000001/attempt-1"])
@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 6.5, 24.9])
async def test_killing_a_rollout_or_attempt_still_gives_one_outcome(path: str, seconds: float) -> None:
    """A rollout whose own actor, or whose attempt's supervisor, is killed has one outcome and leaves nothing."""
    engine = an_engine(attempts=1)
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task(), a_task("other")])])

        group.start_soon(consume)
        await anyio.wait_all_tasks_blocked()
        await anyio.sleep(seconds)
        engine.system.kill(engine.system.lookup(f"/engine/rollouts/{path}"))
        await anyio.sleep(100)
        assert backend(engine).live == 0
        assert len(stage(engine).routes) == 0
    by_task = {outcome.task_id: outcome for outcome in outcomes}
    assert len(outcomes) == 2
    killed, other = by_task["t"], by_task["other"]
    assert killed.fault is not None
    assert (killed.status, killed.fault.kind, killed.reward_valid) == ("engine_failed", "killed", False)
    assert other.status == "completed"


@pytest.mark.parametrize("actor", ["journal", "interception", "sandboxes"])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 6.3, 12.5, 25.02])
async def test_rollouts_outlive_the_engines_services(actor: str, seconds: float) -> None:
    """Journal, interception and reaper can die at any moment: they come back, and no rollout ends of it."""
    engine = an_engine("simulated" if actor != "interception" else persistent_agent())
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task(f"t{n}") for n in range(5)])])

        group.start_soon(consume)
        await anyio.sleep(seconds)
        engine.system.kill(engine.system.lookup(f"/engine/{actor}"))
        await anyio.sleep(100)
    assert [outcome.status for outcome in outcomes] == ["completed"] * 5
    assert all(len(outcome.attempts) == 1 for outcome in outcomes)


def persistent_agent() -> AgentSpec:
    """An agent that is not disturbed by a connection that breaks: it makes no calls at all."""
    return shell_agent("sleep 20")


async def test_killing_all_rollouts_gives_each_its_outcome() -> None:
    """If the supervisor of all rollouts dies, each of them has its outcome, and those that waited are run."""
    engine = an_engine(concurrency=3)
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task(f"t{n}") for n in range(8)])])

        group.start_soon(consume)
        await anyio.sleep(10)
        engine.system.kill(engine.system.lookup("/engine/rollouts"))
        await anyio.sleep(200)
        assert backend(engine).live == 0
    statuses = [outcome.status for outcome in outcomes]
    assert len(outcomes) == len({outcome.task_id for outcome in outcomes}) == 8
    assert statuses.count("completed") >= 4
    assert {outcome.reward_valid for outcome in outcomes if outcome.status != "completed"} == {False}


async def test_a_lost_sandbox_is_retried_from_the_start() -> None:
    """A sandbox that dies under its agent costs the attempt; what the attempt had until then is kept."""
    engine = an_engine()
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task()])])

        group.start_soon(consume)
        await anyio.sleep(14.5)
        (sandbox,) = backend(engine).sandboxes.values()
        sandbox.die()
    (outcome,) = outcomes
    first, second = outcome.attempts
    assert first.fault is not None
    assert (first.status, first.fault.kind, first.fault.phase, len(first.turns)) == (
        "sandbox_failed",
        "sandbox_lost",
        "agent",
        2,
    )
    assert (second.status, len(second.turns), outcome.status) == ("completed", 4, "completed")


async def test_a_surprise_of_the_model_is_not_told_to_anybody() -> None:
    """The text of an exception that a user's model raises reaches neither agent nor outcome; its type does."""
    outcome = await play_one(an_engine(model=surprising, attempts=1), a_task())
    assert "sk-secret" not in repr(outcome)
    assert outcome.fault is not None
    assert "RuntimeError" in outcome.fault.message


async def test_a_verifier_that_raises_is_the_engines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the verifier itself gives a typed outcome that is retried and never graded."""

    def broken(*_: object) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr("greenroom.actors.judgement.by_exit_codes", broken)
    outcome = await play_one(an_engine(), a_task())
    assert_row("verifier_crashed", outcome)


async def test_a_hung_model_is_given_up_when_its_caller_is() -> None:
    """When an agent is killed in the middle of a call, the model's work on that call is cancelled."""
    ended: list[str] = []

    async def hung(call: ModelCall) -> Completion:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(call.id)
        raise AssertionError

    outcome = await play_one(an_engine(model=hung, attempts=1), a_task(agent_timeout=30))
    assert (outcome.status, outcome.turns, outcome.reward_valid) == ("model_failed", (), False)
    assert ended == ["r-000001.1.0"]


@pytest.mark.parametrize("text", ["inf", "-nan", "1e999", "yes", "1,5", "''"])
async def test_hostile_reward_files_leave_the_rollout_unscored(text: str) -> None:
    """Whatever is no finite number in the reward file leaves the reward None, with an error that says so."""
    task = a_task(reward="file", verify=(f"echo {text} > $GREENROOM_REWARD_FILE",))
    outcome = await play_one(an_engine(), task)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("verifier_failed", None, False)
    assert outcome.fault is not None
    assert outcome.fault.kind == "reward_invalid"


async def test_a_reward_file_is_the_reward() -> None:
    """The number the verify commands write is the reward, whatever their exit codes are."""
    task = a_task(reward="file", verify=("echo 0.75 > $GREENROOM_REWARD_FILE", "false"))
    outcome = await play_one(an_engine(), task)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", 0.75, True)


async def test_nothing_to_verify_is_unscored() -> None:
    """Without verify commands the reward is None, never 0.0, and the status is the agent's."""
    outcome = await play_one(an_engine(), a_task(verify=()))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", None, False)


async def test_setup_stops_at_the_first_failure() -> None:
    """A set-up command that fails ends the rollout with its real exit code, and the agent never starts."""
    outcome = await play_one(an_engine(), a_task(setup=("true", "exit 7", "true")))
    (attempt,) = outcome.attempts
    assert [(c.command, c.exit_code) for c in attempt.commands] == [("true", 0), ("exit 7", 7)]
    assert (attempt.turns, attempt.agent_log, attempt.agent_exit_code) == ((), "", None)
