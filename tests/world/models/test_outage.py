"""A model's outage is never the agent's zero, and no agent makes one of its own.

Seen in public: open-jarvis/OpenJarvis, issue 536, where a server that hung was recorded as what the model answered; and
coder/xum, issue 1539, where the timeout of a part of the harness was recorded as the agent's.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import Simulated
from tests.engine.acting import Ask, Part, acting
from tests.engine.playing import a_task, an_engine, answer, play_one

pytestmark = pytest.mark.anyio

BOOT = 1.0
DONE = Completion(parts=(Text("done"),))


async def never(_: ModelCall) -> Completion:
    """A server that takes requests, and says nothing."""
    await anyio.sleep_forever()
    raise AssertionError


async def later_never(call: ModelCall) -> Completion:
    """A server that goes silent after two answers."""
    return await (never(call) if call.index >= 2 else answer(call))


async def broken(_: ModelCall) -> Completion:
    """A server that fails at once."""
    raise ModelError("unavailable", "the model server answered 503", 503)


def takes(seconds: float) -> Any:  # noqa: ANN401 - a model
    """A model that takes so long for each answer."""

    async def model(_: ModelCall) -> Completion:
        await anyio.sleep(seconds)
        return DONE

    return model


def unjudged(outcome: Outcome) -> None:
    """It is the model's failure, and nothing to learn from."""
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.blame) == ("model_failed", "model"), outcome.fault
    assert (outcome.reward, outcome.reward_valid) == (None, False)


def judged(outcome: Outcome, status: str) -> None:
    """It is the agent's own failure."""
    assert (outcome.status, outcome.reward, outcome.reward_valid) == (status, 0.0, True), outcome.fault


def lost(**fields: Any) -> Any:  # noqa: ANN401 - fields of all types
    """A task of which nothing was solved."""
    return a_task(verify=("false",), **fields)


LIMITS = [
    {"agent_timeout": 3, "deadline": 60},
    {"agent_timeout": 20, "deadline": 5000},
    {"agent_timeout": 20, "deadline": 5000, "model_wait": 7},
    {"agent_timeout": 20, "deadline": 5000, "model_wait": 0},
    {"deadline": 60},
    {"deadline": 200, "model_wait": 0},
    {"agent_timeout": 500, "deadline": 100},
]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("model", [never, later_never], ids=["from the start", "after two answers"])
async def test_a_server_that_falls_silent_is_not_the_agents_zero(limits: dict[str, float], model: Any) -> None:  # noqa: ANN401
    """Whichever limit ends an agent that waits for a silent model, nobody is judged."""
    outcome = await play_one(an_engine(model=model, sandbox=Simulated(boot=0.1, turn=0.5)), lost(**limits))
    unjudged(outcome)


@pytest.mark.parametrize("agent_timeout", [None, 20])
async def test_without_anything_to_verify_it_is_the_models_failure_as_well(agent_timeout: float | None) -> None:
    """Where no time is kept for verification, and the agent's end is the rollout's, the model is to blame too."""
    task = a_task(verify=(), deadline=60, agent_timeout=agent_timeout)
    unjudged(await play_one(an_engine(model=never, sandbox=Simulated(boot=0.1)), task))


@pytest.mark.parametrize("limits", LIMITS, ids=str)
async def test_clients_that_give_up_and_ask_again_change_nothing(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, float]
) -> None:
    """An agent whose client loses patience with a silent model again and again is not judged when its time is up."""

    async def part(ask: Ask) -> int:
        for number in range(100_000):
            with anyio.move_on_after(6):
                await ask(f"question {number // 3}")
            await anyio.sleep(0.01)
        return 0

    acting(monkeypatch, part)
    unjudged(await play_one(an_engine(model=never, sandbox=Simulated(boot=0.1)), lost(**limits)))


@pytest.mark.parametrize("code", [0, 1, 124, -9])
async def test_a_model_that_failed_leaves_no_zero_whatever_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """An agent that ends on a model's failure is not judged, though it says that all is well."""

    async def failing(call: ModelCall) -> Completion:
        return await (broken(call) if call.index else answer(call))

    async def part(ask: Ask) -> int:
        await ask("first")
        await ask("second")
        return code

    acting(monkeypatch, part)
    unjudged(await play_one(an_engine(model=failing, attempts=1), lost()))


async def test_what_was_solved_all_the_same_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that ends well and has solved its task is not robbed of that by a last call that failed."""

    async def failing(call: ModelCall) -> Completion:
        return await (broken(call) if call.index else answer(call))

    async def part(ask: Ask) -> int:
        await ask("first")
        await ask("second")
        return 0

    acting(monkeypatch, part)
    outcome = await play_one(an_engine(model=failing), a_task())
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", 1.0, True)


@pytest.mark.parametrize("code", [0, 1])
async def test_silence_beyond_its_limit_is_not_judged_though_the_agent_hung_up(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """An agent that gives up on a model that was silent for longer than it may be is not judged."""

    async def part(ask: Ask) -> int:
        with anyio.move_on_after(40):
            await ask("anything")
        await anyio.sleep(1)
        return code

    acting(monkeypatch, part)
    unjudged(await play_one(an_engine(model=never, attempts=1), lost(model_wait=30)))


async def test_a_pause_longer_than_the_agents_time_costs_it_nothing() -> None:
    """While the engine is paused the agent's clock stands still; afterwards it goes on."""
    engine = an_engine(model=answer, sandbox=Simulated(boot=BOOT, turn=5))
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([a_task(agent_timeout=30)])])

        engine.pause()
        group.start_soon(consume)
        await anyio.sleep(400)
        assert [row.model_seconds for row in engine.snapshot().rollouts] == [400 - BOOT - 5]
        engine.resume()
    (outcome,) = outcomes
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    # Four spells of work, four answers of a second, and the pause.
    assert outcome.agent_seconds == pytest.approx(20)
    assert outcome.model_seconds == pytest.approx(400 - BOOT - 5 + 4)


async def test_a_slow_model_costs_the_agent_nothing() -> None:
    """Answers that take longer than the agent has are waited for, and the outcome shows both times."""
    engine = an_engine(model=takes(60), sandbox=Simulated(boot=BOOT, turn=5))
    outcome = await play_one(engine, a_task(agent_timeout=21))
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    (attempt,) = outcome.attempts
    assert (attempt.agent_seconds, attempt.model_seconds) == pytest.approx((20, 240))
    assert (outcome.agent_seconds, outcome.model_seconds) == pytest.approx((20, 240))
    assert attempt.timings["agent"] == pytest.approx(260)


async def both(ask: Ask, *parts: Part) -> None:
    """All of these at once."""
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(part, ask)


def hammering(shift: float, words: str) -> Part:
    """Asks again as soon as it is answered, having begun a little later."""

    async def part(ask: Ask) -> int:
        await anyio.sleep(shift)
        for number in range(100_000):
            await ask(f"{words} {number}")
        return 0

    return part


KILLED = 400 - 15 - 120 - BOOT
"""Seconds after its start, by a deadline of 400 s that keeps time for clean-up and verification."""
HOLDERS = [
    ({"agent_timeout": 20, "model_wait": 50, "deadline": 1000}, 70.0),
    ({"agent_timeout": 20, "model_wait": 0, "deadline": 1000}, 20.0),
    ({"agent_timeout": 20, "model_wait": 5000, "deadline": 400}, KILLED),
    ({"model_wait": 5000, "deadline": 400}, KILLED),
]


@pytest.mark.parametrize(("limits", "seconds"), HOLDERS, ids=str)
async def test_an_agent_that_holds_calls_on_purpose_stops_its_clock_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], seconds: float
) -> None:
    """Calls that always overlap gain `model_wait` at most, none of the deadline's reserves, and no excuse."""

    async def part(ask: Ask) -> int:
        await both(ask, *(hammering(shift / 4, f"hand {shift}") for shift in range(8)))
        return 0

    acting(monkeypatch, part)
    outcome = await play_one(an_engine(model=takes(2), sandbox=Simulated(boot=BOOT)), lost(**limits))
    (attempt,) = outcome.attempts
    judged(outcome, "agent_timeout")
    assert attempt.timings["agent"] == pytest.approx(seconds)


async def test_an_agent_that_asks_too_fast_waits_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that wait for their turn among too many of the same agent are not with the model."""
    inside = 0

    async def model(_: ModelCall) -> Completion:
        nonlocal inside
        inside += 1
        await anyio.sleep(1)
        return DONE

    async def part(ask: Ask) -> int:
        for second in range(5):
            # Sixteen go to the model at once; the others wait for them.
            await both(ask, *(once(f"{second} {number}") for number in range(32)))
            await anyio.sleep(2)
        return 0

    def once(words: str) -> Part:
        async def part(ask: Ask) -> int:
            return await ask(words)

        return part

    acting(monkeypatch, part)
    outcome = await play_one(an_engine(model=model, sandbox=Simulated(boot=BOOT)), a_task())
    assert (outcome.agent_seconds, outcome.model_seconds) == pytest.approx((10, 10))
    assert inside == 160


@pytest.mark.parametrize(("code", "status"), [(1, "agent_failed"), (139, "agent_failed"), (None, "agent_timeout")])
async def test_hanging_up_is_no_excuse(monkeypatch: pytest.MonkeyPatch, code: int | None, status: str) -> None:
    """An agent that leaves its call, and then fails or idles, is judged, and its time runs from then on."""

    async def part(ask: Ask) -> int:
        await ask("first")
        with anyio.move_on_after(4):
            await ask("second")
        await anyio.sleep(5 if code else 10_000)
        return code or 0

    async def slow_later(call: ModelCall) -> Completion:
        return await (never(call) if call.index else answer(call))

    acting(monkeypatch, part)
    outcome = await play_one(an_engine(model=slow_later, sandbox=Simulated(boot=BOOT)), lost(agent_timeout=30))
    judged(outcome, status)
    assert (outcome.agent_seconds, outcome.model_seconds) == pytest.approx((5 if code else 30, 5))


@pytest.mark.parametrize("code", [1, 139, -9])
async def test_ending_with_a_call_open_is_no_excuse(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An agent that crashes while its model thinks is judged."""

    async def part(ask: Ask) -> int:
        await ask("first")
        with anyio.move_on_after(3):
            await ask("second")
        return code

    acting(monkeypatch, part)
    judged(await play_one(an_engine(model=takes(10)), lost()), "agent_failed")


async def test_being_killed_with_a_call_open_is_no_excuse() -> None:
    """An agent whose deadline comes while its model gives an answer as long as all before is judged."""
    engine = an_engine(model=takes(4), sandbox=Simulated(boot=BOOT, turn=1, turns=10_000))
    outcome = await play_one(engine, lost(deadline=100))
    judged(outcome, "agent_timeout")
    # 10 s are kept for clean-up, 40 s for verification; it asks at 1, 6, 11 ... and is killed in the wait from 46 on.
    assert (outcome.agent_seconds, outcome.model_seconds) == pytest.approx((10, 39))


async def test_overlapping_calls_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's time is the time in which it has at least one call, however many it has."""

    async def model(call: ModelCall) -> Completion:
        await anyio.sleep(10 if "long" in str(call.messages) else 2)
        return DONE

    async def part(ask: Ask) -> int:
        async def after(seconds: float, words: str) -> None:
            await anyio.sleep(seconds)
            await ask(words)

        async with anyio.create_task_group() as group:
            group.start_soon(after, 1, "long")  # 1 to 11
            group.start_soon(after, 4, "short")  # within
            group.start_soon(after, 10, "short, beyond")  # to 12
            group.start_soon(after, 15, "short, alone")  # to 17
        await anyio.sleep(3)
        return 0

    acting(monkeypatch, part)
    outcome = await play_one(an_engine(model=model, sandbox=Simulated(boot=BOOT)), a_task())
    assert (outcome.agent_seconds, outcome.model_seconds) == pytest.approx((7, 13))


@pytest.mark.parametrize("late", [-0.001, 0.0, 0.001])
async def test_an_answer_in_the_last_moment(monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    """An answer in the moment in which its agent's time is up, or just after it, came too late: there is no zero."""

    async def part(ask: Ask) -> int:
        await anyio.sleep(5)
        await ask("anything")
        return 1

    acting(monkeypatch, part)
    # 5 s of its own are gone, so 5 are left, and 10 of waiting before them.
    outcome = await play_one(an_engine(model=takes(15 + late), attempts=1), lost(agent_timeout=10, model_wait=10))
    if late < 0:
        judged(outcome, "agent_failed")
    else:
        unjudged(outcome)
    assert outcome.agent_seconds + outcome.model_seconds == pytest.approx(20 + min(0, late))


@pytest.mark.parametrize("when", [15.0, 16.0, 17.0])
async def test_a_cancellation_in_that_moment(when: float) -> None:
    """A rollout that is cancelled before, in or after the tick in which its agent's time is up has one outcome."""
    task = lost(agent_timeout=10, model_wait=0)
    engine = an_engine(model=never, sandbox=Simulated(boot=BOOT, turn=5), attempts=1)
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run([task])])

        group.start_soon(consume)
        await anyio.sleep(when - BOOT - 4)
        await engine.stop("enough")
    (outcome,) = outcomes
    assert outcome.status in ("cancelled", "model_failed")
    assert not outcome.reward_valid
