"""The interception is away while agents work: whoever gives up for that is tried again, and is never given a zero."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import anyio
import pytest

from greenroom.engine import Engine
from greenroom.kernel import Actor
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import AgentSpec, Invocation, Launch, Local, Simulated
from tests.engine.playing import a_task, an_engine, assert_clean, quick

pytestmark = pytest.mark.anyio

INTERCEPTION = "/engine/interception"

PROGRAM = """
import json, os, sys, urllib.request
body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["MY_KEY"]}
for turn in range(3):
    try:
        request = urllib.request.Request(os.environ["MY_URL"] + "/chat/completions", json.dumps(body).encode(), headers)
        body["messages"].append(json.load(urllib.request.urlopen(request, timeout=20))["choices"][0]["message"])
    except Exception as error:
        sys.exit(f"no model: {error!r}" if sys.argv[1] == "loud" else 0)
open("solved", "w").close()
"""


def impatient(manner: str) -> AgentSpec:
    """A real agent that gives up at the first failure, with an exit code that says so or does not."""

    def command(launch: Launch) -> Invocation:
        argv = (launch.python, f"{launch.home}/agent.py", manner)
        return Invocation(argv=argv, env={"MY_URL": launch.base_url, "MY_KEY": launch.api_key})

    return AgentSpec(
        name=f"impatient-{manner}",
        dialect="chat",
        command=command,
        files={"agent.py": PROGRAM},
        exit_code_lies=manner == "lying",
    )


async def slow(_: ModelCall) -> Completion:
    """A model that takes a moment."""
    await anyio.sleep(0.15)
    return Completion(parts=(Text("go on"),))


def crash(actor: Actor) -> None:
    """Fail at once."""
    raise OSError(f"{type(actor).__name__} cannot listen")


@asynccontextmanager
async def disturbing(engine: Engine, rng: Random, between: tuple[float, float], times: int) -> AsyncGenerator[None]:
    """The interception is killed now and then, and sometimes cannot listen when it is started again."""

    async def disturb() -> None:
        for _ in range(times):
            await anyio.sleep(rng.uniform(*between))
            engine.system.kill(engine.system.lookup(INTERCEPTION))

    async def obstruct() -> None:
        with engine.system.subscribe() as events:
            async for event in events:
                if event.path == INTERCEPTION and event.kind == "started" and rng.random() < 0.2:
                    engine.system.change(engine.system.lookup(INTERCEPTION), crash)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disturb)
        tasks.start_soon(obstruct)
        yield
        tasks.cancel_scope.cancel()


def fair(outcome: Outcome) -> bool:
    """Whether no attempt that counts is one whose agent did not end well."""
    if outcome.reward_valid:
        return outcome.status == "completed" and outcome.reward == 1.0
    return outcome.reward is None and outcome.fault is not None and outcome.fault.blame in ("engine", "model")


@pytest.mark.parametrize("seed", range(4))
async def test_no_zero_for_simulated_agents(seed: int) -> None:
    """Whenever the interception dies, agents that give up for it are tried again or go unscored."""
    engine = an_engine(sandbox=Simulated(seed=seed), model=slow, concurrency=8)
    tasks = [a_task(f"t{number}") for number in range(24)]
    async with engine:
        async with disturbing(engine, Random(seed), (9.0, 19.0), 100):  # noqa: S311 - a choice of moments
            outcomes = [outcome async for outcome in engine.run(tasks)]
        assert_clean(engine)
    assert len(outcomes) == 24
    assert all(fair(outcome) for outcome in outcomes), [(one.status, one.fault) for one in outcomes if not fair(one)]
    gave_up = [attempt for outcome in outcomes for attempt in outcome.attempts if attempt.fault]
    assert gave_up


async def test_an_agent_that_was_answered_afterwards_is_judged_by_what_it_did() -> None:
    """One that has seen it through and ends well is scored as ever, in its first attempt."""
    engine = an_engine(model=quick)
    outcomes: list[Outcome] = []

    async def consume() -> None:
        outcomes.extend([outcome async for outcome in engine.run([a_task()])])

    async with engine, anyio.create_task_group() as group:
        group.start_soon(consume)
        await anyio.sleep(8)  # between two calls of the agent
        engine.system.kill(engine.system.lookup(INTERCEPTION))
    (outcome,) = outcomes
    assert (outcome.status, outcome.reward_valid, len(outcome.attempts)) == ("completed", True, 1)


async def test_what_the_outcome_says() -> None:
    """An attempt whose agent gave up while its model was out of reach says so, and blames the engine."""
    engine = an_engine(model=quick)
    outcomes: list[Outcome] = []

    async def consume() -> None:
        outcomes.extend([outcome async for outcome in engine.run([a_task()])])

    async with engine, anyio.create_task_group() as group:
        group.start_soon(consume)
        await anyio.sleep(5.99)
        with engine.system.subscribe() as events:
            engine.system.kill(engine.system.lookup(INTERCEPTION))
            async for event in events:
                if event.path == INTERCEPTION and event.kind == "started":
                    engine.system.kill(engine.system.lookup(INTERCEPTION))
                    break
    (outcome,) = outcomes
    first, last = outcome.attempts
    assert first.fault is not None
    assert (first.status, first.fault.blame, first.fault.kind) == ("engine_failed", "engine", "model_out_of_reach")
    assert (last.status, outcome.reward_valid) == ("completed", True)


@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.needs("bwrap")
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("manner", ["loud", "lying"])
async def test_no_zero_for_real_agents(manner: str) -> None:
    """The same with processes, sockets inside sandboxes, and an agent that hides that it gave up."""
    engine = an_engine(impatient(manner), model=slow, sandbox=Local(), concurrency=3)
    tasks = [a_task(f"t{number}", verify=("test -e solved",), deadline=60.0) for number in range(6)]
    async with engine, disturbing(engine, Random(manner), (0.3, 0.9), 7):  # noqa: S311 - a choice of moments
        with anyio.fail_after(100):
            outcomes = [outcome async for outcome in engine.run(tasks)]
    assert len(outcomes) == 6
    assert all(fair(outcome) for outcome in outcomes), [(one.status, one.fault) for one in outcomes if not fair(one)]
