"""Whatever is cancelled or asked for while a verb of the engine is under way, at whichever tick of the event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint

from greenroom.engine import Engine, EngineError, OutcomeStream
from greenroom.interception.desk import Desk
from greenroom.interception.gate import GateModel, PendingCall
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import Gate, TaskSpec
from tests.engine.playing import a_task, an_engine, assert_clean, backend, quick, tasks

pytestmark = pytest.mark.anyio

DONE = Completion(parts=(Text("done"),))
ENOUGH = 60
"""Ticks: starting a run takes half as many."""
Strike = Callable[[Engine, OutcomeStream], Awaitable[None]]


async def ticks(count: int) -> None:
    """So many passes of the event loop."""
    for _ in range(count):
        await checkpoint()


async def cancel(_: Engine, stream: OutcomeStream) -> None:
    """Cancel the run."""
    stream.cancel("not wanted")


async def stop(engine: Engine, _: OutcomeStream) -> None:
    """Stop all runs."""
    await engine.stop("not wanted")


async def aclose(_: Engine, stream: OutcomeStream) -> None:
    """Leave the run."""
    await stream.aclose()


async def gather(stream: OutcomeStream, found: list[Outcome]) -> None:
    """All outcomes; none from an engine that was stopped before the run began."""
    with suppress(EngineError):
        found.extend([outcome async for outcome in stream])


@pytest.mark.parametrize("strike", [cancel, stop, aclose])
async def test_a_run_is_told_also_while_it_is_being_started(strike: Strike) -> None:
    """A run is cancelled, stopped or left at any tick of its start: it ends at once, and none of its agents goes on."""
    for tick in range(ENOUGH):
        found: list[Outcome] = []
        async with an_engine() as engine:
            stream = engine.run(tasks(3))
            before = anyio.current_time()
            async with anyio.create_task_group() as group:
                group.start_soon(gather, stream, found)
                await ticks(tick)
                await strike(engine, stream)
            assert anyio.current_time() - before < 1, f"struck at tick {tick}"
            assert {outcome.status for outcome in found} <= {"cancelled"}
            assert backend(engine).live == 0, f"struck at tick {tick}: a sandbox lives on"
            assert_clean(engine)
            assert engine.snapshot().submitted == sum(engine.snapshot().finished.values())


async def test_stopping_waits_for_a_run_that_is_being_started() -> None:
    """When `Engine.stop` returns nothing runs, at whichever tick of a run's start it was called."""
    for tick in range(ENOUGH):
        found: list[Outcome] = []
        async with an_engine() as engine, anyio.create_task_group() as group:
            group.start_soon(gather, engine.run(tasks(3)), found)
            await ticks(tick)
            await engine.stop("not wanted")
            assert_clean(engine)
            begun = engine.snapshot().submitted
            await ticks(ENOUGH)
            assert engine.snapshot().submitted == begun, f"stopped at tick {tick}"


async def no_more_tasks() -> AsyncGenerator[TaskSpec]:
    """One task; the next one is never there."""
    yield a_task()
    await anyio.sleep_forever()


@pytest.mark.parametrize("strike", [cancel, stop, aclose])
async def test_a_wait_for_the_next_task_ends_at_once(strike: Strike) -> None:
    """A run whose source of tasks has nothing to give ends as soon as it is told to, at any tick of its wait."""
    for tick in range(ENOUGH):
        found: list[Outcome] = []
        async with aclosing(no_more_tasks()) as source, an_engine(model=quick) as engine:
            stream = engine.run(source)
            before = anyio.current_time()
            async with anyio.create_task_group() as group:
                group.start_soon(gather, stream, found)
                await ticks(tick)
                await strike(engine, stream)
            assert anyio.current_time() - before < 1, f"struck at tick {tick}"


def a_call(number: int) -> ModelCall:
    """One of a rollout's calls."""
    return ModelCall(id=f"r.{number}", dialect="chat", model="m", messages=(), rollout_id="r")


async def ask(gate: GateModel, number: int, asked: list[str]) -> None:
    """Make a call, note it, and wait for its answer."""
    call = a_call(number)
    asked.append(call.id)
    await gate(call)


@pytest.mark.parametrize("linger", [0.0, 0.005])
async def test_whoever_gives_up_waiting_for_calls_has_taken_none(linger: float) -> None:
    """A wait for a batch is cancelled at any tick around arrivals: the next one has all calls, in their order."""
    for tick in range(20):
        gate = GateModel()
        batches = gate.calls(8, linger)
        asked: list[str] = []
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(_strike, tick, scope.cancel)
                    for number in range(3):
                        group.start_soon(ask, gate, number, asked)
                    taken = [await anext(batches)]
                    waiting.cancel_scope.cancel()
            if scope.cancelled_caught:
                taken = []
            while sum(map(len, taken)) < 3:
                taken.append(await anext(batches))
            calls = [call for batch in taken for call in batch]
            assert [call.id for call in calls] == asked, f"cancelled at tick {tick}"
            for call in calls:
                call.reply(DONE)


async def _strike(tick: int, strike: Callable[[], None]) -> None:
    await ticks(tick)
    strike()


async def test_a_wait_for_calls_that_is_given_up_does_not_end_the_iteration() -> None:
    """``move_on_after`` around ``anext`` is a time-out of one wait; only the gate's end ends the iteration."""
    gate = GateModel()
    batches = gate.calls()
    asked: list[str] = []
    for _ in range(3):
        with anyio.move_on_after(1):
            await anext(batches)
    async with anyio.create_task_group() as group:
        group.start_soon(ask, gate, 7, asked)
        ((call,),) = [await anext(batches)]
        call.reply(DONE)
    await gate.close()
    assert [batch async for batch in batches] == []


async def test_a_session_loses_no_call_to_whoever_gives_up_waiting() -> None:
    """`Session.next_call` is cancelled at any tick around a call's arrival: the next one gets that call."""
    for tick in range(40):
        async with an_engine(model=Gate()) as engine, engine.session(a_task()) as session:
            # The first call arrives when its agent has booted, in virtual time; from there on the ticks count.
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(_strike_after_arrival, engine, tick, scope)
                    taken = await session.next_call()
                    group.cancel_scope.cancel()
            if scope.cancelled_caught:
                with anyio.fail_after(30):
                    taken = await session.next_call()
            assert taken is not None, f"cancelled at tick {tick}"
            assert taken.id.endswith(".0"), f"cancelled at tick {tick}"
            taken.reply(DONE)


async def _strike_after_arrival(engine: Engine, tick: int, scope: anyio.CancelScope) -> None:
    gate = engine._model
    assert isinstance(gate, GateModel)
    held = gate._held

    class Watched(set[PendingCall]):
        def add(self, call: PendingCall) -> None:
            super().add(call)
            arrived.set()

    arrived = anyio.Event()
    gate._held = Watched(held)
    await arrived.wait()
    await ticks(tick)
    scope.cancel()


async def test_a_pause_between_arrival_and_taking_is_no_end() -> None:
    """A pause from another thread, just when a call has arrived, keeps the call for later; the desk is not closed."""
    paused = iter([False, True, True, False, False])  # as each look finds it: there, gone when it is taken, still gone
    desk = Desk(threading.Lock(), lambda: next(paused), lambda: None)
    desk.add(PendingCall.of(a_call(0)))
    assert await desk.arrived()
    assert desk.take() is None
    async with anyio.create_task_group() as group:
        group.start_soon(_strike, 3, desk.notify)
        assert await desk.arrived()
    call = desk.take()
    assert call is not None
    assert call.id == "r.0"
