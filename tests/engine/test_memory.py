"""What a rollout leaves behind, in memory and in the store."""

from __future__ import annotations

import gc
from collections import Counter

import anyio
import msgspec
import pytest

from greenroom.engine.session import Session
from greenroom.messages import Completion, ModelCall, Outcome, Text, prompt
from greenroom.specs import Gate, Simulated
from tests.engine.playing import a_task, an_engine, assert_clean, play_one, quick, tasks

pytestmark = [pytest.mark.anyio, pytest.mark.long]


PER_CALL = {"Desk", "Exchange", "Flow", "ModelCall", "Pass", "Passed", "Pending", "PendingCall", "Ticket"}
SOME = 10
"""An event loop's timer knows the context it was set in, and so, until its time has come, an actor that is gone."""


def census() -> Counter[str]:
    """How many live objects there are of each kind that interception, calls and the cast are made of."""
    gc.collect()
    rooms = ("greenroom.interception.", "greenroom.actors.", "greenroom.messages.model.ModelCall")
    found: list[type] = [type(thing) for thing in gc.get_objects()]
    return Counter(
        kind.__qualname__
        for kind in found
        if f"{kind.__module__}.{kind.__qualname__}".startswith(rooms) and kind is not type
    )


def assert_forgotten(before: Counter[str]) -> None:
    """There is no call more than before, and of nothing so much as there were rollouts."""
    left = census() - before
    assert PER_CALL & left.keys() == set()
    assert max(left.values(), default=0) <= SOME


async def test_nothing_of_an_attempt_stays() -> None:
    """However many rollouts have come and gone, an engine holds nothing of their calls, nor of their attempts."""
    async with an_engine(model=quick) as engine:
        assert len([outcome async for outcome in engine.run(tasks(5))]) == 5
        before = census()
        for _ in range(100):
            await anext(engine.run([a_task()]))
        await anyio.wait_all_tasks_blocked()
        assert_clean(engine)
        assert_forgotten(before)


async def test_nothing_of_a_session_stays() -> None:
    """Sessions that were driven, left, or never begun leave nothing either."""
    async with an_engine(model=Gate()) as engine:
        before = census()
        for number in range(60):
            await use(engine.session(a_task()), ("never begun", "left", "driven")[number % 3])
        gc.collect()  # one that is dropped without being closed is told by the collector that it is
        await anyio.wait_all_tasks_blocked()
        assert_clean(engine)
        assert_forgotten(before)


async def use(session: Session, how: str) -> None:
    """Drive a session to its end, or leave it after a call, or do nothing with it."""
    while how != "never begun" and (call := await session.next_call()) is not None:
        call.reply(Completion(parts=(Text("ok"),)))
        if how == "left":
            await session.aclose()


async def wordy(call: ModelCall) -> Completion:
    """A model that says which tokens it saw: all that went before, and those that are new."""
    seen = tuple(range(1000 * (call.index + 1)))
    return Completion(
        parts=(Text("x" * 4000),),
        prompt_token_ids=seen,
        completion_token_ids=tuple(range(len(seen), len(seen) + 300)),
        logprobs=(-0.1,) * 300,
    )


async def outcome_of(turns: int) -> Outcome:
    """The outcome of a conversation of so many turns."""
    engine = an_engine(model=wordy, sandbox=Simulated(turns=turns), deadline=100_000)
    return await play_one(engine, a_task())


async def test_an_outcome_grows_with_its_turns() -> None:
    """A conversation of 200 turns is stored in four times the bytes of one of 50, and comes out whole."""
    short, long = await outcome_of(50), await outcome_of(200)
    assert len(long.turns) == 200
    assert len(msgspec.json.encode(long)) <= 4.2 * len(msgspec.json.encode(short))
    last = prompt(long.turns, 199)
    assert last.token_ids == tuple(range(200_000))
    assert len(last.messages) == 399
