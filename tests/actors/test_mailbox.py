from __future__ import annotations

import anyio
import pytest

from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import Simulated
from tests.engine.playing import a_task, an_engine, play_one, stage

pytestmark = pytest.mark.anyio

PATH = "/engine/rollouts/r-000001/attempt-1/mailbox"


async def test_a_call_waits_without_holding_up_the_mailbox() -> None:
    """While the model thinks, the mailbox shows the call as pending and goes on to answer others."""
    release = anyio.Event()

    async def slow(_: ModelCall) -> Completion:
        await release.wait()
        return Completion(parts=(Text("ok"),))

    engine = an_engine(model=slow)
    async with engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run([a_task()]))
        await anyio.sleep(100)
        detail = engine.system.inspect(PATH)
        assert detail is not None
        assert (detail.observed.pending, detail.observed.turns, detail.status.state) == ((0,), 0, "running")
        release.set()
        await anyio.sleep(1)
        detail = engine.system.inspect(PATH)
        assert detail is not None
        assert (detail.observed.pending, detail.observed.turns) == ((), 1)


async def test_a_turn_is_recorded_once_with_its_times() -> None:
    """A turn knows when its call came, counted from the attempt's beginning, and how long the answer took."""

    async def slow(_: ModelCall) -> Completion:
        await anyio.sleep(3)
        return Completion(parts=(Text("ok"),))

    outcome = await play_one(an_engine(model=slow, sandbox=Simulated(boot=2, turn=5, turns=2)), a_task())
    assert [(turn.index, turn.started, turn.seconds) for turn in outcome.turns] == [(0, 7.0, 3.0), (1, 15.0, 3.0)]


async def test_a_failed_call_is_no_turn() -> None:
    """A call the model did not answer leaves no turn, and an agent that goes on is judged by what follows."""
    outcome = await play_one(an_engine(model=failing_second, attempts=1), a_task())
    assert (outcome.status, len(outcome.turns)) == ("model_failed", 1)


async def failing_second(call: ModelCall) -> Completion:
    """A model that fails the second call."""
    if call.index == 1:
        raise ModelError("unavailable", "later")
    return Completion(parts=(Text("ok"),))


async def test_a_model_that_exits_is_one_failure() -> None:
    """A callable that raises SystemExit fails its call, like any other error, and ends nobody's program."""

    async def exits(_: ModelCall) -> Completion:
        raise SystemExit(3)

    outcome = await play_one(an_engine(model=exits, attempts=1), a_task())
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.message) == ("model_failed", "the model raised SystemExit")


async def test_a_key_is_good_for_its_attempt_alone() -> None:
    """Once an attempt is over its key opens nothing, however it ended."""
    engine = an_engine(attempts=1)
    async with engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run([a_task()]))
        await anyio.sleep(10)
        (route,) = stage(engine).doors.routes.values()
        assert stage(engine).routes.find(route.key) is route
        engine.system.kill(engine.system.lookup(PATH))
        await anyio.sleep(10)
        assert stage(engine).routes.find(route.key) is None
        assert route.closed
