from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import PurePosixPath

import anyio
import pytest

from greenroom.engine import Engine, EngineError
from greenroom.engine.tasks import TaskError
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import Simulated, TaskSpec
from tests.engine.playing import (
    a_task,
    an_engine,
    answer,
    assert_clean,
    backend,
    play,
    play_one,
    shell_agent,
    stage,
    tasks,
)

pytestmark = pytest.mark.anyio


async def test_a_rollout_from_task_to_reward() -> None:
    """One task gives one outcome with its reward, its turns, its commands and its timings."""
    outcome = await play_one(an_engine(), a_task(setup=("true",), metadata={"level": 3}))
    assert (outcome.status, outcome.reward, outcome.reward_valid, outcome.fault) == ("completed", 1.0, True, None)
    assert [turn.completion.text for turn in outcome.turns] == [f"answer {n}" for n in range(4)]
    assert [turn.shared for turn in outcome.turns] == [0, 1, 3, 5]
    (attempt,) = outcome.attempts
    assert [(command.phase, command.exit_code) for command in attempt.commands] == [("setup", 0), ("verify", 0)]
    assert attempt.agent_exit_code == 0
    assert attempt.agent_log.splitlines() == [f"turn {n}: 200" for n in range(4)]
    assert outcome.timings["agent"] == 4 * 6.0
    assert outcome.timings["boot"] == 1.0
    assert (outcome.metadata, outcome.agent, outcome.group) == ({"level": 3}, "simulated", "run-1/t")


async def test_thousands_of_faults_lose_nothing() -> None:
    """500 rollouts with random faults give 500 outcomes, and every sandbox that was made is closed."""
    engine = an_engine(sandbox=Simulated(seed=1, fault_rate=0.5), deadline=600)
    outcomes = await play(engine, tasks(125), samples=4)
    assert len(outcomes) == 500
    assert {(o.task_id, o.sample) for o in outcomes} == {(f"t{n}", s) for n in range(125) for s in range(4)}
    assert len({o.rollout_id for o in outcomes}) == 500
    assert engine.snapshot().finished == Counter(o.status for o in outcomes)
    assert backend(engine).created == backend(engine).closed == sum(len(o.attempts) for o in outcomes)
    assert {o.status for o in outcomes} == {"completed", "sandbox_failed", "agent_failed", "agent_timeout"}


async def test_infrastructure_is_retried_and_kept() -> None:
    """A lost sandbox costs an attempt, not the rollout, and the attempt that failed stays in the outcome."""
    engine = an_engine(sandbox=Simulated(seed=1, fault_rate=0.5))
    outcomes = await play(engine, tasks(60))
    retried = [o for o in outcomes if o.status == "completed" and len(o.attempts) > 1]
    assert retried
    for outcome in retried:
        *failed, last = outcome.attempts
        assert all(attempt.fault and attempt.fault.blame == "sandbox" for attempt in failed)
        assert (last.status, outcome.reward, outcome.fault) == ("completed", 1.0, None)


async def test_a_failing_rollout_never_disturbs_its_neighbours() -> None:
    """Next to rollouts that fail in every way, good ones end exactly as they do alone."""

    async def moody(call: ModelCall) -> Completion:
        if call.task_id == "raises":
            raise RuntimeError("no")
        if call.task_id == "hangs":
            await anyio.sleep_forever()
        return await answer(call)

    bad = [a_task("raises"), a_task("hangs", agent_timeout=30), a_task("setup", setup=("false",))]
    bad += [
        a_task("verify", verify=("sleep 900",)),
        a_task("reward", reward="file", verify=("echo nan > $GREENROOM_REWARD_FILE",)),
    ]
    good = tasks(10)
    alone = await play(an_engine(model=moody), good)
    together = {o.task_id: o for o in await play(an_engine(model=moody), [*bad, *good])}
    for outcome in alone:
        neighbour = together[outcome.task_id]
        assert (neighbour.status, neighbour.reward, len(neighbour.turns)) == ("completed", 1.0, len(outcome.turns))
        assert neighbour.timings["total"] == pytest.approx(outcome.timings["total"], abs=0.2)
    assert [together[task.id].status for task in bad] == [
        "model_failed",
        "model_failed",
        "setup_failed",
        "verifier_failed",
        "verifier_failed",
    ]


@pytest.mark.parametrize(
    ("task", "sandbox"),
    [
        (a_task(deadline=60), Simulated(boot=1e6)),
        (a_task(deadline=60, setup=("sleep 100000",)), Simulated()),
        (a_task(deadline=60), Simulated(turn=1e6)),
        (a_task(deadline=60, verify=("sleep 100000",), verify_timeout=1e6), Simulated()),
        (a_task(deadline=60), Simulated(seed=2, fault_rate=1.0, turn=20)),
        (a_task(deadline=0.01), Simulated()),
    ],
)
async def test_one_deadline_spans_everything(task: TaskSpec, sandbox: Simulated) -> None:
    """Whatever takes for ever, the rollout with all its attempts and its clean-up ends within its deadline."""
    began = anyio.current_time()
    outcome = await play_one(an_engine(sandbox=sandbox, attempts=100), task)
    assert anyio.current_time() - began <= (task.deadline or 0)
    assert outcome.status != "completed"
    assert outcome.reward is None or outcome.status == "agent_timeout"


@pytest.mark.parametrize(
    ("variable", "least", "most"),
    [("GREENROOM_SECONDS", 42, 42), ("GREENROOM_DEADLINE", time.time(), time.time() + 1e6)],
    ids=["seconds", "deadline"],  # a clock in a name would give each process other tests
)
async def test_the_agent_knows_how_long_it_has(variable: str, least: float, most: float) -> None:
    """The agent's environment says how many seconds it has, and until when."""
    engine = an_engine(shell_agent(f"echo x > ${variable}"))
    told: list[str] = []
    async with engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run([a_task(agent_timeout=42, verify=("sleep 5",))]))
        await anyio.sleep(3)
        (sandbox,) = backend(engine).sandboxes.values()
        told += [PurePosixPath(path).name for path in sandbox.files if path.startswith(sandbox.workdir)]
    assert least <= float(told[0]) <= most


async def test_the_agent_is_dead_before_it_is_judged() -> None:
    """When the first verify command begins, no program of the agent runs any more."""
    engine = an_engine(sandbox=Simulated(turn=1e6))
    async with engine, anyio.create_task_group() as group:
        stream = engine.run([a_task(agent_timeout=10, verify=("sleep 5",))])
        group.start_soon(anext, stream)
        await anyio.sleep(5)
        (sandbox,) = backend(engine).sandboxes.values()
        (agent,) = sandbox._processes
        assert agent.exit_code is None
        await anyio.sleep(7)
        assert [row.phase for row in engine.snapshot().rollouts] == ["verify"]
        assert agent.exit_code == -9


async def test_iterators_are_consumed_lazily() -> None:
    """Tasks are taken from an iterator no faster than rollouts are admitted."""
    taken = 0

    def endless() -> Iterator[TaskSpec]:
        nonlocal taken
        while True:
            taken += 1
            yield a_task(f"t{taken}")

    engine = an_engine(concurrency=3)
    async with engine, aclosing(engine.run(endless())) as stream:
        assert taken == 0
        await anext(stream)
        assert taken <= 3 + 1 + 1


async def test_a_slow_consumer_slows_admission() -> None:
    """While nobody fetches outcomes, no more than twice the concurrency and one are begun."""
    engine = an_engine(concurrency=4)
    async with engine, aclosing(engine.run(tasks(100))) as stream:
        await anext(stream)
        await anyio.sleep(50_000)
        assert engine.snapshot().submitted <= 2 * 4 + 1 + 1
        assert engine.snapshot().running == 0
        rest = [outcome async for outcome in stream]
    assert len(rest) == 99


async def test_async_iterators_are_tasks_too() -> None:
    """Tasks may come from an async iterator that takes its time."""

    async def trickle() -> AsyncIterator[TaskSpec]:
        for number in range(3):
            await anyio.sleep(1000)
            yield a_task(f"t{number}")

    outcomes = await play(an_engine(), trickle())
    assert [outcome.task_id for outcome in outcomes] == ["t0", "t1", "t2"]


async def test_a_broken_iterator_is_told_after_the_outcomes() -> None:
    """What the iterator of tasks raises reaches the consumer, after all outcomes of what came before."""

    def broken() -> Iterator[TaskSpec]:
        yield from tasks(3)
        raise OSError("the file is gone")

    engine = an_engine()
    outcomes: list[Outcome] = []
    async with engine:
        with pytest.raises(OSError, match="the file is gone"):  # noqa: PT012 - the iteration raises
            async for outcome in engine.run(broken()):
                outcomes += [outcome]
        assert_clean(engine)
    assert len(outcomes) == 3


async def test_concurrency_is_a_bound() -> None:
    """No more rollouts run at once than the engine allows, over all its runs together."""
    most = 0

    async def counting(call: ModelCall) -> Completion:
        nonlocal most
        most = max(most, engine.snapshot().running)
        return await answer(call)

    async def consume(work: list[TaskSpec]) -> None:
        assert len([outcome async for outcome in engine.run(work)]) == len(work)

    engine = an_engine(model=counting, concurrency=5)
    async with engine, anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(consume, [a_task(f"run{number}-{n}") for n in range(10)])
    assert most == 5


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 1.01, 5.9, 6.0, 6.5, 12.0, 24.9, 25.0, 25.03, 25.1, 40.0, 52.0])
async def test_leaving_early_cancels_what_runs(seconds: float) -> None:
    """Whenever the consumer is cancelled, each rollout that was begun has its outcome and nothing is left."""
    engine = an_engine(concurrency=4)
    async with engine:
        with anyio.move_on_after(seconds):
            async with aclosing(engine.run(tasks(10))) as stream:
                async for _ in stream:
                    pass
        await anyio.sleep(60)
        snapshot = engine.snapshot()
        assert snapshot.done == snapshot.submitted
        assert set(snapshot.finished) <= {"completed", "cancelled"}
        assert_clean(engine)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.0, 5.9, 6.5, 24.9, 25.03, 25.1, 52.0])
async def test_a_cancelled_engine_stops_in_order(seconds: float) -> None:
    """A cancellation around the engine ends every rollout with an outcome that is kept, and leaves nothing."""
    engine = an_engine(concurrency=4)
    with anyio.move_on_after(seconds):
        async with engine:
            async for _ in engine.run(tasks(10)):
                pass
    assert engine.snapshot().done == engine.snapshot().submitted
    assert backend(engine).live == 0
    assert len(stage(engine).routes) == 0


async def test_breaking_out_of_the_loop_is_enough() -> None:
    """A loop left with `break` cancels what runs, without anybody closing anything."""
    engine = an_engine(concurrency=4)
    async with engine:
        async for _ in engine.run(tasks(10)):
            break
        await anyio.sleep(10)
        assert engine.snapshot().finished == {"completed": 1, "cancelled": 5}
        assert_clean(engine)


async def test_nothing_is_missed_by_a_consumer_with_a_timeout() -> None:
    """A consumer that gives up waiting for the next outcome gets it when it asks again."""
    engine = an_engine(concurrency=2)
    outcomes: list[Outcome] = []
    async with engine:
        stream = engine.run(tasks(6))
        while True:
            with anyio.move_on_after(0.7):
                outcome = await anext(stream, None)
                if outcome is None:
                    break
                outcomes.append(outcome)
    assert len({outcome.rollout_id for outcome in outcomes}) == len(outcomes) == 6


async def test_stop_gives_out_what_was_cancelled() -> None:
    """Stopping the engine gives the iteration an outcome for each rollout that ran, with the reason, and ends it."""
    engine = an_engine(concurrency=4)
    outcomes: list[Outcome] = []
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run(tasks(100))])

        group.start_soon(consume)
        await anyio.sleep(30)
        await engine.stop("that will do")
        assert_clean(engine)
    statuses = Counter(outcome.status for outcome in outcomes)
    assert statuses == {"completed": 4, "cancelled": 5}
    assert {o.fault.message for o in outcomes if o.fault} == {"that will do"}


async def test_a_stopped_engine_begins_nothing() -> None:
    """After a stop, a new run is refused with the reason."""
    async with an_engine() as engine:
        await engine.stop("that will do")
        with pytest.raises(EngineError, match="that will do"):
            await anext(engine.run(tasks(1)))


async def test_an_engine_that_is_not_open_says_so() -> None:
    """Iterating without `async with` is an error that names the remedy."""
    with pytest.raises(EngineError, match="async with"):
        await anext(an_engine().run(tasks(1)))


async def test_an_engine_is_opened_once() -> None:
    """An engine that was open cannot be opened again."""
    engine = an_engine()
    async with engine:
        pass
    with pytest.raises(EngineError, match="opened once"):
        await engine.__aenter__()


async def test_two_consumers_of_one_iteration_are_refused() -> None:
    """Two tasks that iterate over the same outcomes are told, rather than given a random half each."""
    async with an_engine() as engine, anyio.create_task_group() as group:
        stream = engine.run(tasks(2))
        group.start_soon(anext, stream)
        await anyio.sleep(1)
        with pytest.raises(EngineError, match="two tasks"):
            await anext(stream)


@pytest.mark.parametrize(
    ("work", "error", "says"),
    [
        ([a_task("a"), a_task("a")], TaskError, "two tasks have this id"),
        ([a_task("a b")], TaskError, r"\$\.id"),
        ([a_task(files={"../x": ""})], TaskError, r"\$\.files"),
        (["t"], TypeError, "expected TaskSpec, got str"),
        ("tasks.toml", TypeError, "expected a list or an iterator of TaskSpec, got str"),
        (a_task(), TypeError, "got TaskSpec"),
    ],
)
async def test_wrong_tasks_are_refused_before_anything_starts(
    work: list[TaskSpec], error: type[Exception], says: str
) -> None:
    """A list with anything wrong in it is refused at once, naming task and field."""
    with pytest.raises(error, match=says):
        an_engine().run(work)


async def test_wrong_tasks_of_an_iterator_are_refused_when_they_come() -> None:
    """A wrong task in an iterator ends the run with its error, after the outcomes of those before it."""
    async with an_engine() as engine:
        stream = engine.run(iter([a_task("good"), a_task("bad", setup=("",))]))
        assert (await anext(stream)).task_id == "good"
        with pytest.raises(TaskError, match=r"task 'bad': \$\.setup"):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_the_snapshot_shows_what_runs() -> None:
    """While rollouts run, each has a row with its phase, its turns and its restarts."""
    async with an_engine(concurrency=2) as engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run(tasks(5)))
        await anyio.sleep(13.5)
        snapshot = engine.snapshot()
        assert (snapshot.submitted, snapshot.waiting, snapshot.running, snapshot.done) == (3, 1, 2, 0)
        row = snapshot.rollouts[0]
        assert (row.task_id, row.phase, row.attempt, row.turns, row.restarts) == ("t0", "agent", 1, 2, 0)
        assert row.seconds == pytest.approx(13.5)
        group.cancel_scope.cancel()


async def test_the_model_is_told_whose_call_it_is() -> None:
    """Each call carries rollout, task, sample, attempt and index, and the key reaches nobody."""
    calls: list[ModelCall] = []

    async def curious(call: ModelCall) -> Completion:
        calls.append(call)
        return Completion(parts=(Text("ok"),))

    await play(an_engine(model=curious), [a_task()], samples=2)
    assert {(c.rollout_id, c.task_id, c.sample, c.attempt) for c in calls} == {
        ("r-000001", "t", 0, 1),
        ("r-000002", "t", 1, 1),
    }
    assert sorted(c.index for c in calls) == [0, 0, 1, 1, 2, 2, 3, 3]


async def test_the_engine_is_a_value_until_it_is_opened() -> None:
    """Making an engine starts nothing and touches nothing."""
    engine = Engine("simulated", model=answer, sandbox=Simulated())
    assert engine.snapshot().submitted == 0
    with pytest.raises(EngineError, match="not open"):
        _ = engine.system
