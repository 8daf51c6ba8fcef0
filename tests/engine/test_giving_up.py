"""What fails too often: the engine goes on without what it can do without, and ends in order without the rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from greenroom.engine import Engine, EngineError, open_engine
from greenroom.kernel import Actor, Backoff
from greenroom.messages import Outcome
from greenroom.specs import Gate, Simulated
from greenroom.supervisors.engine import REST_SECONDS
from tests.engine.playing import a_task, an_engine, assert_clean, backend, quick, stage, tasks

pytestmark = pytest.mark.anyio

T = TypeVar("T")
ESSENTIAL = ["journal", "interception", "sandboxes", "rollouts", "runs"]
CONSOLE = "/engine/console"


def boom(actor: Actor) -> None:
    """Crash whoever it is."""
    raise ValueError(f"boom in {type(actor).__name__}")


async def crash_on(engine: Engine, path: str, times: int) -> None:
    """Crash an actor as often as it is started, and once more for the one that runs already."""
    engine.system.change(engine.system.lookup(path), boom)
    with engine.system.subscribe() as events:
        async for event in events:
            times -= event.path == path and event.kind == "started"
            if event.path == path and event.kind == "started":
                engine.system.change(engine.system.lookup(path), boom)
            if times <= 1:
                return


@asynccontextmanager
async def crashing(engine: Engine, child: str, after: float = 8.0) -> AsyncGenerator[None]:
    """From some time on, one of the engine's children crashes again and again."""

    async def crash() -> None:
        await anyio.sleep(after)
        await crash_on(engine, f"/engine/{child}", 1000)

    async with anyio.create_task_group() as group:
        group.start_soon(crash)
        yield
        group.cancel_scope.cancel()


async def fetch(items: AsyncIterator[T], into: list[T]) -> None:
    """Take all there is; what came before an error is there as well."""
    async for item in items:
        into.append(item)  # noqa: PERF401 - a comprehension that fails leaves nothing


# -------------------------------------------------------------------------------------------- what can be done without


async def test_a_console_that_crashes_fifty_times_costs_no_rollout() -> None:
    """Whatever the console does, the engine lives, its rollouts end as ever, and the console comes back for good."""
    engine = an_engine()
    async with engine:
        with anyio.fail_after(3600):
            async with anyio.create_task_group() as group:
                group.start_soon(crash_on, engine, CONSOLE, 50)
                outcomes = [outcome async for outcome in engine.run(tasks(50))]
        await anyio.sleep(REST_SECONDS + 10)
        (row,) = engine.system.tree(CONSOLE)
        assert (row.state, row.path) == ("running", CONSOLE)
        assert engine.snapshot().given_up == {}
        assert [row.restarts for row in engine.system.tree("/engine") if row.path == "/engine/journal"] == [0]
        assert_clean(engine)
    assert [outcome.status for outcome in outcomes] == ["completed"] * 50


async def test_what_was_given_up_is_said() -> None:
    """The tree and the snapshot say what is missing, why, and when it is tried again; a minute later it is there."""
    engine = an_engine()
    async with engine:
        with anyio.fail_after(600):
            await crash_on(engine, CONSOLE, 11)
        await anyio.sleep(1)
        (row,) = engine.system.tree(CONSOLE)
        assert row.state == "given up"
        why = "11 failures within 60 s, the last one Crashed(ValueError('boom in Console') on running)"
        assert row.trouble == f"{why}; it is started again in 59 s"
        assert engine.snapshot().given_up == {"console": row.trouble}
        await anyio.sleep(REST_SECONDS)
        assert engine.snapshot().given_up == {}
        assert [row.state for row in engine.system.tree(CONSOLE)] == ["running"]


# ------------------------------------------------------------------------------------------ and what cannot


@pytest.mark.parametrize("child", ESSENTIAL)
async def test_a_part_that_keeps_crashing_ends_the_engine_by_its_name(child: str) -> None:
    """Each rollout that had begun has its one outcome, and then the program gets an error that names the part."""
    engine = an_engine(concurrency=4)
    outcomes: list[Outcome] = []
    async with engine, crashing(engine, child):
        with pytest.raises(EngineError) as caught, anyio.fail_after(1000):
            await fetch(engine.run(tasks(1000)), outcomes)
        assert engine.snapshot().submitted == len(outcomes) == engine.snapshot().done
    assert len({outcome.task_id for outcome in outcomes}) == len(outcomes) > 0
    assert "engine_failed" in {outcome.status for outcome in outcomes}
    assert {outcome.reward_valid for outcome in outcomes if outcome.status == "engine_failed"} == {False}
    assert (backend(engine).live, len(stage(engine).routes)) == (0, 0)
    if child != "runs":
        assert f"the engine failed: {child} crashed too often, the last time with ValueError: boom" in str(caught.value)


async def test_a_rollout_that_ends_with_its_engine_says_so() -> None:
    """The outcome of a rollout that the engine took along names the part that failed, and is laid to the engine."""
    engine = an_engine(sandbox=Simulated(turn=100.0))
    async with engine, crashing(engine, "sandboxes"):
        stream = engine.run([a_task()])
        outcome = await anext(stream)
        with pytest.raises(EngineError, match="sandboxes crashed too often"):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert outcome.status == "engine_failed"
    assert outcome.fault is not None
    assert (outcome.fault.blame, outcome.fault.kind) == ("engine", "rollout_lost")
    assert outcome.fault.message.startswith(
        "the engine failed: sandboxes crashed too often, the last time with ValueError"
    )


async def test_groups_are_given_before_the_error() -> None:
    """Whoever takes whole groups gets all that there is of each, and then the error."""
    engine = an_engine(concurrency=6)
    groups: list[list[Outcome]] = []
    async with engine, crashing(engine, "interception"):
        with pytest.raises(EngineError, match="interception crashed too often"):
            await fetch(engine.groups(tasks(1000), samples=4), groups)
    assert sum(len(group) for group in groups) == engine.snapshot().submitted
    assert {len(group) for group in groups[:-1]} == {4}


async def test_a_session_has_its_outcome_too() -> None:
    """Whoever drives a rollout call by call is told by its outcome, not by a wait without end."""
    engine = an_engine(model=Gate())
    async with engine, crashing(engine, "sandboxes"):
        with anyio.fail_after(1000):
            session = engine.session(a_task())
            while (call := await session.next_call()) is not None:
                assert call.rollout_id == session.rollout_id
            outcome = await session.outcome()
    assert outcome.status == "engine_failed"


async def test_what_an_engine_took_along_is_run_again(tmp_path: Path) -> None:
    """Outcomes that say that the engine failed are not kept: a later start of the run makes up for them."""
    work = tasks(40)
    first: list[Outcome] = []
    engine = an_engine(store=tmp_path, concurrency=4)
    async with engine, crashing(engine, "sandboxes"):
        with pytest.raises(EngineError):
            await fetch(engine.run(work), first)
    assert "engine_failed" in {outcome.status for outcome in first}
    async with an_engine(store=tmp_path, concurrency=4) as engine:
        again = [outcome async for outcome in engine.run(work)]
    assert {outcome.status for outcome in again} == {"completed"}
    assert len(again) == len(work)
    done = {outcome.rollout_id for outcome in first if outcome.status == "completed"}
    assert done <= {outcome.rollout_id for outcome in again}


@pytest.mark.real_time
def test_a_blocking_program_gets_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain script is told as well: its loop ends with an error, in no more time than the restarts take."""
    monkeypatch.setattr("greenroom.supervisors.engine._BACKOFF", Backoff(first=0.001, limit=0.001))
    outcomes: list[Outcome] = []
    with open_engine("simulated", model=quick, sandbox=Simulated(turn=1000.0)) as engine:
        crash = engine._portal.start_task_soon(crash_on, engine._engine, "/engine/journal", 11)
        with pytest.raises(EngineError, match="journal crashed too often"):
            outcomes.extend(engine.run(tasks(3)))
        crash.cancel()
