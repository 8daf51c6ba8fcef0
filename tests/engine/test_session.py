"""Sessions: rollouts driven call by call, and the pause around new weights."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from greenroom.engine import Engine, EngineError
from greenroom.engine.session import Session
from greenroom.engine.tasks import TaskError
from greenroom.interception.gate import GateModel
from greenroom.messages import Completion, Outcome, Text
from greenroom.specs import Gate
from tests.engine.playing import a_task, an_engine, assert_clean, quick, tasks

pytestmark = pytest.mark.anyio

OK = Completion(parts=(Text("ok"),))


def gated(**options: Any) -> Engine:  # noqa: ANN401 - options of all types
    """An engine whose model is answered by the test."""
    return an_engine(model=Gate(), **options)


def gate_of(engine: Engine) -> GateModel:
    """Its gate."""
    assert isinstance(engine._model, GateModel)
    return engine._model


async def drive(session: Session) -> int:
    """Answer every call; how many there were."""
    answered = 0
    while (call := await session.next_call()) is not None:
        assert call.rollout_id == session.rollout_id
        answered += call.reply(OK)
    return answered


async def test_a_session_is_one_rollout_call_by_call() -> None:
    """Each call of the agent is handed out and answered, then there are no more, and then there is the outcome."""
    async with gated() as engine:
        async with engine.session(a_task(), sample=3) as session:
            first = await session.next_call()
            assert first is not None
            assert (first.request.sample, first.request.index, first.messages[0].role) == (3, 0, "user")
            first.reply(OK)
            assert await drive(session) == 3
            assert await session.next_call() is None
            outcome = await session.outcome()
        assert (outcome.rollout_id, outcome.status, outcome.sample) == (session.rollout_id, "completed", 3)
        assert (len(outcome.turns), outcome.reward) == (4, 1.0)
        assert await session.outcome() == outcome
        assert_clean(engine)
        assert len(gate_of(engine)) == 0


async def test_the_agent_s_exit_is_told_before_its_work_is_judged() -> None:
    """``None`` comes when the agent has exited, while its verification still runs."""
    async with gated() as engine, engine.session(a_task(verify=("sleep 100",))) as session:
        await drive(session)
        assert engine.snapshot().rollouts[0].phase in ("agent", "verify")
        began = anyio.current_time()
        assert (await session.outcome()).status == "completed"
        assert anyio.current_time() - began > 50


async def test_any_number_of_sessions() -> None:
    """Hundreds of sessions at once each get their own calls, beside a run that is served in batches."""
    outcomes: list[Outcome] = []
    others: list[Outcome] = []
    async with gated(concurrency=2000) as engine, AsyncExitStack() as stack, anyio.create_task_group() as group:
        sessions = [await stack.enter_async_context(engine.session(task)) for task in tasks(200)]

        async def run() -> None:
            others.extend([outcome async for outcome in engine.run(tasks(20))])
            batches.cancel()

        async def serve() -> None:
            with batches:
                async for batch in engine.calls():
                    assert not {call.rollout_id for call in batch} & {session.rollout_id for session in sessions}
                    for call in batch:
                        call.reply(OK)

        batches = anyio.CancelScope()
        group.start_soon(run)
        group.start_soon(serve)
        async with anyio.create_task_group() as drivers:
            for session in sessions:
                drivers.start_soon(drive, session)
        outcomes += [await session.outcome() for session in sessions]
    assert {len(outcome.turns) for outcome in outcomes + others} == {4}
    assert len({outcome.rollout_id for outcome in outcomes}) == 200


async def test_sessions_wait_for_a_slot() -> None:
    """Sessions beyond the engine's concurrency begin when another one has ended."""
    async with gated(concurrency=1) as engine, engine.session(a_task("a")) as first:
        second = engine.session(a_task("b"))
        with anyio.move_on_after(500) as waited:
            await second.next_call()
        assert waited.cancelled_caught
        await drive(first)
        assert await drive(second) == 4
        assert (await second.outcome()).task_id == "b"


async def test_a_session_that_is_left_is_cancelled() -> None:
    """Leaving its block ends the rollout, fails the call in hand, and the outcome says so."""
    async with gated() as engine:
        async with engine.session(a_task()) as session:
            call = await session.next_call()
            assert call is not None
        assert not call.reply(OK)
        assert (await session.outcome()).status == "cancelled"
        assert await session.next_call() is None
        assert_clean(engine)


async def test_a_session_ends_with_its_rollout() -> None:
    """However a rollout ends, the driver that waits for a call is told, and the outcome says what happened."""
    async with gated(attempts=5) as engine:
        for kill in ("attempt-1/mailbox", "attempt-1/sandbox", "attempt-1", ""):
            async with engine.session(a_task()) as session:
                assert await session.next_call() is not None
                path = f"/engine/rollouts/{session.rollout_id}/{kill}".rstrip("/")
                engine.system.kill(engine.system.lookup(path))
                assert await session.next_call() is None
                outcome = await session.outcome()
                assert (outcome.status, len(outcome.attempts) <= 1) == ("engine_failed", True)


async def test_a_deadline_ends_a_session() -> None:
    """A driver that never answers is told when the agent's time is up."""
    async with gated(deadline=100) as engine, engine.session(a_task()) as session:
        assert await session.next_call() is not None
        assert await session.next_call() is None
        outcome = await session.outcome()
        assert (outcome.status, outcome.reward_valid) == ("model_failed", False)


async def test_the_driver_may_fail_a_call_or_end_it_politely() -> None:
    """A conversation that is too long ends the agent politely; a call that fails for good is the model's fault."""
    async with gated() as engine:
        for end, status in (("overflow", "truncated"), ("fail", "model_failed")):
            async with engine.session(a_task()) as session:
                call = await session.next_call()
                assert call is not None
                assert call.overflow() if end == "overflow" else call.fail("no", retryable=False)
                await drive(session)
                assert (await session.outcome()).status == status


async def test_several_ask_for_the_same_outcome() -> None:
    """The outcome can be awaited by many tasks while another one drives."""
    found: list[Outcome] = []
    async with gated() as engine, engine.session(a_task()) as session, anyio.create_task_group() as group:

        async def wait() -> None:
            found.append(await session.outcome())

        for _ in range(3):
            group.start_soon(wait)
        await drive(session)
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


async def test_an_engine_that_closes_ends_its_sessions() -> None:
    """A driver that waits when the engine is stopped is told, and gets the outcome; there are no new sessions."""
    async with gated() as engine, anyio.create_task_group() as group:
        session = engine.session(a_task())
        assert await session.next_call() is not None

        async def wait() -> None:
            assert await session.next_call() is None

        group.start_soon(wait)
        await anyio.sleep(1)
        await engine.stop()
        assert (await session.outcome()).status == "cancelled"
        with pytest.raises(EngineError, match="admits nothing"):
            await engine.session(a_task()).next_call()


async def test_a_session_that_never_began() -> None:
    """Closed before anything was asked of it, a session has no calls and no outcome, and says so."""
    async with gated() as engine:
        session = engine.session(a_task())
        await session.aclose()
        assert await session.next_call() is None
        with pytest.raises(EngineError, match="before it began"):
            await session.outcome()
        assert engine.snapshot().submitted == 0


async def test_what_is_no_session() -> None:
    """Wrong tasks and samples, a model that is no gate, and an engine that is not open are refused at once."""
    with pytest.raises(EngineError, match="Gate"):
        gated().session(a_task())
    async with an_engine(model=quick) as engine:
        with pytest.raises(EngineError, match="Gate"):
            engine.session(a_task())
    async with gated() as engine:
        with pytest.raises(TaskError):
            engine.session(a_task(instruction=" "))
        with pytest.raises(ValueError, match="sample"):
            engine.session(a_task(), sample=-1)


async def test_a_pause_holds_everything_open() -> None:
    """While paused neither sessions nor batches get calls, nobody is told to try again, and afterwards all goes on."""
    async with gated(deadline=100_000) as engine, engine.session(a_task()) as session:
        call = await session.next_call()
        assert call is not None
        engine.pause()
        call.reply(OK)
        with anyio.move_on_after(3600) as waited:
            await session.next_call()
        assert waited.cancelled_caught
        engine.resume()
        assert await drive(session) == 3
        outcome = await session.outcome()
    assert (outcome.status, len(outcome.turns)) == ("completed", 4)
    assert max(turn.seconds for turn in outcome.turns) > 3500


async def test_any_model_can_be_paused() -> None:
    """Calls of a model that is no gate wait while paused, and go on afterwards."""
    async with an_engine(model=quick, deadline=100_000) as engine, anyio.create_task_group() as group:
        found: list[Outcome] = []

        async def run() -> None:
            found.extend([outcome async for outcome in engine.run(tasks(3))])

        engine.pause()
        group.start_soon(run)
        await anyio.sleep(5000)
        assert (engine.snapshot().running, found) == (3, [])
        engine.resume()
    assert [len(outcome.turns) for outcome in found] == [4, 4, 4]
    with pytest.raises(EngineError, match="not open"):
        an_engine(model=quick).pause()
