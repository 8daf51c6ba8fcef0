"""Groups, and cancelling one rollout, a group, or a run."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.engine.groups import Grouping, GroupStream
from greenroom.engine.stream import OutcomeStream
from greenroom.messages import Outcome
from greenroom.specs import Simulated
from tests.engine.playing import a_task, an_engine, assert_clean, tasks

pytestmark = pytest.mark.anyio
SLOW = Simulated(turn=1e5)


async def test_groups_come_whole() -> None:
    """All samples of a task come at once, in order, whatever order they ended in, and each group once."""
    engine = an_engine(sandbox=Simulated(seed=3, fault_rate=0.3), concurrency=7)
    async with engine, aclosing(engine.groups(tasks(20), 8)) as groups:
        found = [group async for group in groups]
        assert_clean(engine)
    assert [[outcome.sample for outcome in group] for group in found] == [list(range(8))] * 20
    assert all(len({outcome.group for outcome in group}) == 1 for group in found)
    assert {group[0].task_id for group in found} == {f"t{n}" for n in range(20)}


@given(st.permutations([(f"g{group}", sample) for group in range(4) for sample in range(3)]), st.integers(0, 12))
def test_a_grouping_loses_nothing(order: list[tuple[str, int]], count: int) -> None:
    """Whatever comes in whatever order: whole groups once they are whole, the others as they are in the end."""
    grouping = Grouping(3)
    came = [Outcome(rollout_id="r", task_id="t", group=g, sample=s, status="completed") for g, s in order[:count]]
    whole = [group for outcome in came if (group := grouping.add(outcome))]
    rest = list(grouping.rest())
    assert all(len(group) == 3 for group in whole)
    assert all(len(group) < 3 for group in rest)
    given_out = [(outcome.group, outcome.sample) for group in [*whole, *rest] for outcome in group]
    assert sorted(given_out) == sorted(order[:count])


async def consume(groups: GroupStream, into: list[list[Outcome]]) -> None:
    """All groups."""
    async for group in groups:
        into.append(group)  # noqa: PERF401 - read while it grows


async def test_a_stopped_run_gives_the_groups_that_are_not_whole() -> None:
    """When a run is cancelled, its iteration gives all outcomes there are, and ends."""
    engine, found = an_engine(sandbox=SLOW, concurrency=5), list[list[Outcome]]()
    async with engine, anyio.create_task_group() as group:
        groups = engine.groups(tasks(10), 3)
        group.start_soon(consume, groups, found)
        await anyio.sleep(100)
        groups.cancel("that will do")
        await anyio.sleep(100)
        assert_clean(engine)
    assert [len(one) for one in found] == [3, 3]
    assert {o.fault.message for one in found for o in one if o.fault} == {"that will do"}


async def test_one_rollout_is_cancelled() -> None:
    """It ends with an outcome that says so, and the others notice nothing."""
    engine = an_engine()
    async with engine, anyio.create_task_group() as group:
        found: list[Outcome] = []

        async def run() -> None:
            found.extend([outcome async for outcome in engine.run(tasks(4))])

        group.start_soon(run)
        await anyio.sleep(10)
        assert await engine.cancel("r-000002", "not this one") == 1
        assert await engine.cancel("r-000099") == 0
    assert Counter(outcome.status for outcome in found) == {"completed": 3, "cancelled": 1}
    (cancelled,) = [outcome for outcome in found if outcome.status == "cancelled"]
    assert (cancelled.rollout_id, cancelled.fault and cancelled.fault.message) == ("r-000002", "not this one")


async def test_one_that_waits_is_cancelled() -> None:
    """A rollout that has no slot yet is cancelled at once, and those behind it go on."""
    engine = an_engine(concurrency=1)
    async with engine, anyio.create_task_group() as group:
        found: list[Outcome] = []

        async def run() -> None:
            found.extend([outcome async for outcome in engine.run(tasks(3))])

        group.start_soon(run)
        await anyio.sleep(2)
        assert await engine.cancel("r-000002") == 1
        await anyio.sleep(2)
        assert engine.snapshot().finished == {"cancelled": 1}
    assert Counter(outcome.status for outcome in found) == {"completed": 2, "cancelled": 1}


async def test_a_group_is_cancelled_with_what_is_still_to_come() -> None:
    """All samples of a task end as cancelled, those that had not begun too, and other groups go on."""
    engine, found = an_engine(concurrency=4), list[list[Outcome]]()
    async with engine, anyio.create_task_group() as group:
        group.start_soon(consume, engine.groups(tasks(3), 6, name="mine"), found)
        await anyio.sleep(5)
        assert await engine.cancel("mine/t0", "enough of it") >= 4
    by_task = {one[0].task_id: Counter(outcome.status for outcome in one) for one in found}
    assert by_task == {"t0": {"cancelled": 6}, "t1": {"completed": 6}, "t2": {"completed": 6}}


async def test_a_run_is_cancelled_and_others_go_on() -> None:
    """One of two runs ends early with all its outcomes; the other one never hears of it."""
    engine, statuses, others = an_engine(concurrency=6), list[str](), list[str]()
    async with engine, anyio.create_task_group() as group:
        first, second = engine.run(tasks(40)), engine.run(tasks(10))

        async def run(stream: OutcomeStream, into: list[str]) -> None:
            into.extend([outcome.status async for outcome in stream])

        group.start_soon(run, first, statuses)
        group.start_soon(run, second, others)
        await anyio.sleep(30)
        first.cancel("enough")
    assert "cancelled" in statuses
    assert len(statuses) < 40
    assert others == ["completed"] * 10


async def test_a_run_that_has_not_begun_is_cancelled_too() -> None:
    """Its iteration ends at once."""
    async with an_engine() as engine:
        stream = engine.run(tasks(3))
        stream.cancel()
        assert [outcome async for outcome in stream] == []


async def test_engines_live_side_by_side() -> None:
    """Several engines in one event loop have rollouts of the same names and nothing to do with each other."""
    engines = [an_engine(concurrency=3) for _ in range(3)]
    found: list[Outcome] = []

    async def run(number: int) -> None:
        async with engines[number] as engine:
            found.extend([outcome async for outcome in engine.run([a_task(f"e{number}")], 4)])
            if number == 1:
                await engine.stop()
            assert engine.snapshot().submitted == 4

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(run, number)
    assert Counter(outcome.task_id for outcome in found) == {"e0": 4, "e1": 4, "e2": 4}
    assert {outcome.status for outcome in found} == {"completed"}
