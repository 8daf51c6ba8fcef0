"""The gate: calls are held until their owner takes and answers them, from wherever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest

from greenroom.interception import ModelError
from greenroom.interception.gate import GateModel, PendingCall
from greenroom.messages import Completion, ModelCall, Text
from tests.interception.talk import HELLO

pytestmark = pytest.mark.anyio


def call(rollout: str = "r", number: int = 0) -> ModelCall:
    """A model call of a rollout."""
    return ModelCall(id=f"{rollout}.{number}", rollout_id=rollout, index=number, dialect="chat", model="m", messages=())


class Agents:
    """Agents whose calls the gate holds, and what became of the calls."""

    def __init__(self, gate: GateModel, tasks: anyio.abc.TaskGroup) -> None:
        self.gate = gate
        self.replies: dict[str, str] = {}
        self._tasks = tasks

    async def ask(self, *calls: ModelCall) -> None:
        """Make calls, in order."""
        for one in calls:
            self._tasks.start_soon(self.ask_one, one)
            await anyio.wait_all_tasks_blocked()

    async def ask_one(self, one: ModelCall) -> None:
        """Make a call and keep the reply."""
        try:
            self.replies[one.id] = (await self.gate(one)).text
        except ModelError as error:
            self.replies[one.id] = error.kind


@asynccontextmanager
async def agents(gate: GateModel) -> AsyncGenerator[Agents]:
    """Agents that are all answered, or gone, in the end."""
    async with anyio.create_task_group() as tasks:
        yield Agents(gate, tasks)
        tasks.cancel_scope.cancel()


async def batch(gate: GateModel, most: int = 64, linger: float = 0.005) -> list[PendingCall]:
    """The next batch."""
    return await anext(gate.calls(most, linger))


async def test_batches_are_fair() -> None:
    """Batches keep the order of arrival, and no rollout gets a second place before the others have their first."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(*(call("greedy", number) for number in range(4)), call("a"), call("b"))
        first, second = await batch(gate, 4), await batch(gate, 4)
        assert [one.request.id for one in first] == ["greedy.0", "a.0", "b.0", "greedy.1"]
        assert [one.request.id for one in second] == ["greedy.2", "greedy.3"]
        for one in (*first, *second):
            assert one.reply(Completion(parts=(Text(f"to {one.rollout_id}"),)))
        await anyio.wait_all_tasks_blocked()
    assert crowd.replies["b.0"] == "to b"
    assert len(crowd.replies) == 6
    assert len(gate) == 0


async def test_a_batch_lingers_until_it_is_full() -> None:
    """A batch waits for more calls as long as it was told to, and not a moment once it is full."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"))
        began = anyio.current_time()
        assert len(await batch(gate, 2, linger=3)) == 1
        assert anyio.current_time() - began == pytest.approx(3)
        await crowd.ask(call("b"), call("c"))
        assert len(await batch(gate, 2, linger=3)) == 2
        assert anyio.current_time() - began == pytest.approx(3)


async def test_who_waits_for_calls_is_woken() -> None:
    """Somebody who waits for calls gets the next one when it comes."""
    gate = GateModel()
    async with agents(gate) as crowd, anyio.create_task_group() as owner:

        async def serve() -> None:
            async for calls in gate.calls(linger=0):
                for one in calls:
                    one.reply(HELLO)

        owner.start_soon(serve)
        await crowd.ask(call("a"), call("b"))
        assert crowd.replies == {"a.0": "hello", "b.0": "hello"}
        await gate.close()


async def test_a_pause_holds_calls_back() -> None:
    """While paused nothing is handed out, calls in hand can be answered, and afterwards everything goes on."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"))
        (in_hand,) = await batch(gate)
        gate.pause()
        await crowd.ask(call("b"))
        assert in_hand.reply(HELLO)
        with anyio.move_on_after(1000) as waited:
            await batch(gate)
        assert waited.cancelled_caught
        gate.resume()
        (later,) = await batch(gate)
        assert later.rollout_id == "b"
        assert crowd.replies == {"a.0": "hello"}


async def test_every_call_ends_once() -> None:
    """The first answer or failure counts; what comes later says that it came too late and changes nothing."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"), call("b"))
        first, second = await batch(gate)
        assert [first.reply(HELLO), first.reply(HELLO), first.fail("no")] == [True, False, False]
        assert [second.fail("broken"), second.reply(HELLO), second.ended] == [True, False, True]
        await anyio.wait_all_tasks_blocked()
    assert crowd.replies == {"a.0": "hello", "b.0": "failed"}


async def test_an_agent_that_is_gone() -> None:
    """The call of an agent that went away is taken out of the line, and answering it is of no use."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"), call("a", 1))
        (in_hand,) = await batch(gate, 1)
    assert in_hand.ended
    assert not in_hand.reply(HELLO)
    assert len(gate) == 0
    with anyio.move_on_after(1) as waited:
        await batch(gate)
    assert waited.cancelled_caught


async def test_closing_ends_everything() -> None:
    """Closing fails the calls that are held, ends the iterators, and refuses further calls."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"))
        await batch(gate)
        await crowd.ask(call("b"))
        await gate.close()
        await gate.close()
        assert [calls async for calls in gate.calls()] == []
        await crowd.ask(call("c"))
    assert crowd.replies == {"a.0": "failed", "b.0": "failed", "c.0": "gate_closed"}


async def test_the_gate_is_bounded() -> None:
    """Beyond its limit the gate fails calls, retryably, and holds the others."""
    gate = GateModel(limit=2)
    async with agents(gate) as crowd:
        await crowd.ask(call("a"), call("b"), call("c"))
        assert crowd.replies == {"c.0": "gate_full"}
        assert len(gate) == 2


async def test_nonsense_is_refused_where_it_is_given() -> None:
    """Who answers with something else than a completion is told so, and the call can still be answered."""
    gate = GateModel()
    async with agents(gate) as crowd:
        await crowd.ask(call("a"))
        (one,) = await batch(gate)
        for nonsense in ("text", None, Completion(parts=(Text(3),))):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            with pytest.raises(TypeError):
                one.reply(nonsense)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert one.reply(HELLO)


def _from_a_thread(answer: Callable[[], object]) -> None:
    thread = threading.Thread(target=answer)
    thread.start()
    thread.join()


def _from_another_loop(answer: Callable[[], object]) -> None:
    async def run() -> None:
        answer()

    _from_a_thread(lambda: asyncio.run(run()))


@pytest.mark.real_time
@pytest.mark.parametrize("elsewhere", [_from_a_thread, _from_another_loop])
async def test_answers_come_from_anywhere(elsewhere: Callable[[Callable[[], object]], None]) -> None:
    """A call can be answered from any thread and from another event loop, and its agent is woken at once."""
    gate = GateModel()
    async with agents(gate) as crowd, anyio.create_task_group() as tasks:
        await crowd.ask(call("a"), call("b"))
        first, second = await batch(gate)

        async def answer(action: Callable[[], object]) -> None:
            await anyio.to_thread.run_sync(elsewhere, action)

        tasks.start_soon(answer, lambda: first.reply(HELLO))
        tasks.start_soon(answer, second.fail)
        with anyio.fail_after(10):
            assert (await first.outcome()).text == "hello"
            with pytest.raises(ModelError):
                await second.outcome()


@pytest.mark.real_time
async def test_a_trainer_on_its_own_thread() -> None:
    """A trainer that iterates over batches in an event loop of its own, on another thread, serves every call."""
    gate = GateModel()

    async def train() -> int:
        served = 0
        async for calls in gate.calls(8):
            served += sum(one.reply(Completion(parts=(Text(one.request.id),))) for one in calls)
            if served == 100:
                break
        return served

    async with agents(gate) as crowd, anyio.create_task_group() as tasks:

        async def trainer() -> None:
            assert await anyio.to_thread.run_sync(anyio.run, train) == 100
            await gate.close()

        tasks.start_soon(trainer)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as callers:
                for number in range(100):
                    callers.start_soon(crowd.ask_one, call(f"r{number % 7}", number))
    assert crowd.replies == {name: name for name in crowd.replies}
    assert len(crowd.replies) == 100


@pytest.mark.real_time
async def test_answering_after_the_loop_is_over() -> None:
    """A trainer that answers when the engine's event loop has ended is told that it is too late."""
    kept: list[PendingCall] = []

    async def engine() -> None:
        gate = GateModel()
        async with agents(gate) as crowd:
            await crowd.ask(call("a"))
            kept.extend(await batch(gate))

    await anyio.to_thread.run_sync(asyncio.run, engine())
    assert not kept[0].reply(HELLO)
