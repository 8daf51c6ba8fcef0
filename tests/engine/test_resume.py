"""A run that ended early is gone on with: nothing is lost, nothing is done twice, nothing is silently different."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from greenroom.actors.records import Lease, Released
from greenroom.engine import Engine, open_engine
from greenroom.engine._storewrites import digest
from greenroom.engine.assembly import open_store
from greenroom.engine.changes import changes
from greenroom.engine.store import RunStore, StoreChanged
from greenroom.engine.stored import read_run
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.sandboxes import SandboxError
from greenroom.specs import BlackBox, Scripted, Simulated, TaskSpec, Upstream
from greenroom.specs.environment import Upload
from tests.engine.playing import a_task, an_engine, quick, tasks

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

FAST = Simulated(boot=0.001, turn=0.001)


def on(store: Path, **options: Any) -> Engine:  # noqa: ANN401 - options of all types
    """An engine for this store that takes next to no time."""
    usual: dict[str, Any] = {"sandbox": FAST, "model": quick, "concurrency": 4, "console": False}
    return an_engine("simulated", **(usual | {"store": store} | options))


def keys(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    """Which rollouts these are."""
    return sorted((outcome.task_id, outcome.sample) for outcome in outcomes)


def contents(directory: Path) -> bytes:
    """Of all files in it."""
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def some(engine: Engine, work: list[TaskSpec], count: int, samples: int = 1) -> list[Outcome]:
    """The first outcomes; then the engine is left, which cancels the rest."""
    outcomes: list[Outcome] = []
    async with engine:
        async for outcome in engine.run(work, samples):
            outcomes.append(outcome)
            if len(outcomes) == count:
                break
    return outcomes


async def all_of(engine: Engine, work: list[TaskSpec], samples: int = 1) -> list[Outcome]:
    """Every outcome."""
    async with engine:
        return [outcome async for outcome in engine.run(work, samples)]


def ids(outcomes: list[Outcome]) -> set[str]:
    """The rollouts that gave them."""
    return {outcome.rollout_id for outcome in outcomes}


async def test_a_second_start_runs_what_is_missing(tmp_path: Path) -> None:
    """The same program, started again, is given what was kept, and runs the rest, cancelled ones included."""
    first = await some(on(tmp_path), tasks(10), 4, samples=2)
    again = await all_of(on(tmp_path), tasks(10), samples=2)
    assert keys(again) == [
        (task.id, sample) for task in sorted(tasks(10), key=lambda task: task.id) for sample in (0, 1)
    ]
    assert ids(first) <= ids(again)
    assert {outcome.status for outcome in again} == {"completed"}
    with RunStore.open(tmp_path) as store:
        assert keys(list(store.outcomes())) == keys(again)


async def test_a_finished_run_runs_nothing(tmp_path: Path) -> None:
    """Everything is done, so a third start gives the same outcomes and makes no sandbox."""
    first = await all_of(on(tmp_path), tasks(5))
    engine = on(tmp_path)
    assert ids(await all_of(engine, tasks(5))) == ids(first)
    assert engine.snapshot().submitted == 0


async def test_what_was_acknowledged_is_not_given_again(tmp_path: Path) -> None:
    """A trainer that acknowledges each batch goes on behind the last one; what it did not get to is given again."""
    async with on(tmp_path) as engine:
        got = [outcome async for outcome in engine.run(tasks(6))]
        await engine.acknowledge(got[:4])
    async with on(tmp_path) as engine:
        outcomes = engine.run(tasks(6))
        again = [outcome async for outcome in outcomes]
    assert ids(again) == ids(got[4:])


async def test_what_was_cancelled_is_run_again_unless_that_was_acknowledged(tmp_path: Path) -> None:
    """Cancelled is not done; a trainer that says it has dealt with a cancelled outcome does not get another one."""
    called = anyio.Event()

    async def hold(_: ModelCall) -> Completion:
        called.set()
        await anyio.sleep_forever()
        raise AssertionError

    cancelled: list[Outcome] = []

    async def take(engine: Engine) -> None:
        cancelled.extend([outcome async for outcome in engine.run(tasks(2))])

    async with on(tmp_path, model=hold) as engine:
        async with anyio.create_task_group() as group:
            group.start_soon(take, engine)
            with anyio.fail_after(20):
                await called.wait()
            await engine.stop("enough")
        await engine.acknowledge(outcome for outcome in cancelled if outcome.task_id == "t0")
    assert [outcome.status for outcome in cancelled] == ["cancelled"] * 2
    again = await all_of(on(tmp_path, model=quick, allow_changes=["model"]), tasks(2))
    assert [(outcome.task_id, outcome.status) for outcome in again] == [("t1", "completed")]


async def test_files_that_are_uploaded_are_a_part_of_the_task(tmp_path: Path) -> None:
    """A test that was edited on disk makes it another task, although the task reads the same."""
    (tmp_path / "check.sh").write_text("true")
    task = a_task("t", verify_uploads=(Upload(source=str(tmp_path), target=".", files=("check.sh",)),))
    await all_of(on(tmp_path / "run"), [task])
    assert len(await all_of(on(tmp_path / "run"), [task])) == 1
    (tmp_path / "check.sh").write_text("false")
    with pytest.raises(StoreChanged, match="other content: t"):
        await all_of(on(tmp_path / "run"), [task])


def test_scripts_go_on_as_well(tmp_path: Path) -> None:
    """The blocking engine has the same verbs: names, what was kept, and acknowledging it."""
    given: list[int] = []
    for _ in range(3):
        with open_engine("simulated", model=quick, sandbox=FAST, store=tmp_path) as engine:
            outcomes = list(engine.run(tasks(3), name="evaluation"))
            given.append(len(outcomes))
            engine.acknowledge(outcomes[:2])
    assert given == [3, 1, 0]


async def test_outcomes_say_whether_they_were_kept_before(tmp_path: Path) -> None:
    """While earlier outcomes are given the stream says so; those that are new come behind them."""
    first = await some(on(tmp_path), tasks(6), 3)
    async with on(tmp_path) as engine:
        outcomes = engine.run(tasks(6))
        seen = [(outcome.rollout_id, outcomes.recalling) async for outcome in outcomes]
    flags = [recalled for _, recalled in seen]
    assert flags == sorted(flags, reverse=True)
    assert ids(first) <= {id for id, recalled in seen if recalled}
    assert sum(flags) < len(seen) == 6


async def test_an_iterator_is_gone_on_with(tmp_path: Path) -> None:
    """Tasks of an iterator that have their outcome are taken from it and left out; a task it repeats is another one."""

    def endless(count: int) -> Iterator[TaskSpec]:
        for number in range(count):
            yield a_task(f"t{number % 3}")

    async with on(tmp_path) as engine:
        first = [outcome async for outcome in engine.run(endless(5))]
    async with on(tmp_path) as engine:
        outcomes = [outcome async for outcome in engine.run(endless(8))]
    assert (len(first), len(outcomes)) == (5, 8)
    assert ids(first) <= ids(outcomes)
    assert len({outcome.group for outcome in outcomes}) == 8


async def test_what_an_iterator_uploads_is_read_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the files of its tasks are, going on with an iterator holds up nothing else."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "large").write_bytes(bytes(1_000_000))
    upload = Upload(source=str(tmp_path / "files"), target="/data", files=("large",))
    threads: list[int] = []

    def read(task: TaskSpec) -> str:
        threads.append(threading.get_ident())
        return digest(task)

    for module in ("resume", "_storewrites"):
        monkeypatch.setattr(f"greenroom.engine.{module}.digest", read)
    for _ in range(2):
        async with on(tmp_path / "store") as engine:
            assert len([outcome async for outcome in engine.run(iter([a_task(uploads=(upload,))]))]) == 1
    assert threads
    assert threading.get_ident() not in threads


async def test_an_iterator_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    """A task of the same id and another content is not taken for the one that was done."""

    async def given(instruction: str) -> AsyncIterator[TaskSpec]:
        yield a_task("t", instruction=instruction)

    async with on(tmp_path) as engine:
        assert len([outcome async for outcome in engine.run(given("this"))]) == 1
    async with on(tmp_path) as engine:
        with pytest.raises(StoreChanged, match="tasks: t -> t"):
            assert [outcome async for outcome in engine.run(given("that"))]


async def test_other_tasks_are_refused(tmp_path: Path) -> None:
    """A list that differs is refused with what differs, and taken when that is allowed."""
    await all_of(on(tmp_path), tasks(3))
    other = [a_task("t0"), a_task("t1", instruction="something else"), a_task("new")]
    with pytest.raises(StoreChanged) as refused:
        await all_of(on(tmp_path), other, samples=2)
    text = str(refused.value)
    assert "samples: 1 -> 2" in text
    assert "new: new; missing: t2; other content: t1" in text
    assert refused.value.fields == ("samples", "tasks")
    outcomes = await all_of(on(tmp_path, allow_changes=["tasks", "samples"]), other, samples=2)
    assert {("new", 0), ("new", 1), ("t0", 1)} <= set(keys(outcomes))


async def test_a_run_of_another_name_is_another_run(tmp_path: Path) -> None:
    """Each name has its own outcomes, and goes on by itself."""
    async with on(tmp_path) as engine:
        for name in ("step-1", "step-2"):
            assert len([outcome async for outcome in engine.run(tasks(2), name=name)]) == 2
        with pytest.raises(ValueError, match="has a run 'step-1' already"):
            engine.run(tasks(2), name="step-1")
        with pytest.raises(ValueError, match="name: expected letters"):
            engine.run(tasks(2), name="a/b")
    async with on(tmp_path) as engine:
        outcomes = [outcome async for outcome in engine.run(tasks(2), name="step-2")]
    assert {outcome.group for outcome in outcomes} == {"step-2/t0", "step-2/t1"}


async def test_changed_settings_are_refused_by_field(tmp_path: Path) -> None:
    """Whatever outcomes depend on may not change without a word; how many run at once may."""
    await all_of(on(tmp_path), tasks(1))
    with pytest.raises(StoreChanged) as refused:
        await all_of(on(tmp_path, sandbox=Simulated(seed=7, boot=0.001, turn=0.001), attempts=1), tasks(1))
    assert refused.value.fields == ("sandbox.seed", "attempts")
    assert "sandbox.seed: 0 -> 7" in str(refused.value)
    changed = on(tmp_path, attempts=1, concurrency=9, allow_changes=["attempts"])
    assert len(await all_of(changed, tasks(1))) == 1
    assert len(await all_of(on(tmp_path, attempts=1), tasks(1))) == 1


def test_changes_are_found_in_depth() -> None:
    """A change is named by its path; another kind of thing is one change; new fields are none."""
    before = {"model": {"type": "upstream", "base_url": "a"}, "n": 1}
    after = {"model": {"type": "upstream", "base_url": "b"}, "n": 1, "later": True}
    assert [str(change) for change in changes(before, after)] == ['model.base_url: "a" -> "b"']
    (kind,) = changes(before, {"model": {"type": "gate"}, "n": 1})
    assert kind.field == "model"
    assert kind.allowed({"model"})
    assert not kind.allowed({"model.base_url"})


@pytest.mark.parametrize(
    "model",
    [
        Upstream(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="THE_KEY"),
        BlackBox(base_url="http://user:s3cr3t@127.0.0.1:1/v1"),
        BlackBox(base_url="http://127.0.0.1:1/v1?key=s3cr3t", api_key_env="THE_KEY"),
    ],
)
async def test_keys_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Upstream | BlackBox, anyio_backend_name: str
) -> None:
    """Nothing in a run's directory holds a key: not of the environment, an address, or an agent's own variables."""
    if anyio_backend_name == "trio":
        model = Upstream(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="THE_KEY")
    monkeypatch.setenv("THE_KEY", "s3cr3t")
    settings = on(tmp_path, model=model).settings
    store = await open_store(settings, ())
    store.close()
    assert b"s3cr3t" not in contents(tmp_path)


async def test_leases_are_kept_before_and_released_after(tmp_path: Path) -> None:
    """While a sandbox lives its lease is in the store, with whose it is; after a clean end there is none."""
    called = anyio.Event()

    async def hold(_: ModelCall) -> Completion:
        called.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with on(tmp_path, model=hold) as engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run(tasks(1)))
        with anyio.fail_after(20):
            await called.wait()
        with closing(sqlite3.connect(tmp_path / "run.db")) as database:
            seen = database.execute("SELECT id, backend, rollout_id, attempt, epoch FROM lease").fetchall()
        group.cancel_scope.cancel()
    assert seen == [("r-000001-1", "simulated", "r-000001", 1, 1)]
    with RunStore.open(tmp_path) as store:
        assert store.leases() == []


async def test_what_cannot_be_reaped_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease stays until what it stands for is gone; leases of several backends do not stand in each other's way."""
    refuse = True
    reaped: list[str] = []

    async def reap(kind: str, handles: Sequence[str]) -> None:
        if kind == "docker" and refuse:
            raise SandboxError("docker_unavailable", "no engine there")
        reaped.extend(handles)

    monkeypatch.setattr("greenroom.engine.resume.reap", reap)
    with RunStore.open(tmp_path) as store:
        for kind in ("docker", "local"):
            lease = Lease(id=kind, backend=kind, handle=f"the {kind} one", rollout_id="r", attempt=1, deadline=1.0)
            store.commit([lease])
    async with on(tmp_path):
        assert reaped == ["the local one"]
    refuse = False
    async with on(tmp_path):
        assert reaped == ["the local one", "the docker one"]
    async with on(tmp_path):
        assert len(reaped) == 2


def test_a_run_of_the_first_schema_is_gone_on_with(tmp_path: Path) -> None:
    """Tables of an earlier greenroom are brought up to date, once, with all that is in them."""
    old = Path(__file__).with_name("first_schema.sql").read_text()
    with closing(sqlite3.connect(tmp_path / "run.db")) as database:
        database.executescript(old)
    with RunStore.open(tmp_path) as store:
        known = store.submission("run-1")
        assert known is not None
        assert known.done == {("run-1/t0", 0), ("run-1/t1", 0)}
        assert store.done() == {("t0", 0), ("t1", 0)}
        assert store.epoch == 2
    with closing(sqlite3.connect(tmp_path / "run.db")) as database:
        assert '"model":"<quick>"' in database.execute("SELECT config FROM run").fetchone()[0]


async def test_what_was_submitted_can_be_read_back(tmp_path: Path) -> None:
    """Tasks, samples and settings are in the store, so that nothing else is needed to go on."""
    script = tmp_path / "model.toml"
    script.write_text("[[script]]\n[[script.turns]]\ntext = 'there'\n")
    work = [a_task("a", files={"x": "y"}, max_turns=3), a_task("b")]
    await some(on(tmp_path / "run", model=Scripted(str(script))), work, 1, samples=3)
    stored = read_run(tmp_path / "run")
    (submission,) = stored.submissions
    assert (submission.run, submission.samples, submission.tasks) == ("run-1", 3, tuple(work))
    assert (stored.configuration.agent, stored.configuration.sandbox) == ("simulated", FAST)
    assert stored.configuration.model == Scripted(str(script))


def test_released_twice_is_released(tmp_path: Path) -> None:
    """Releasing is idempotent, as is everything that is kept twice."""
    with RunStore.open(tmp_path) as store:
        store.commit([Released("x"), Released("x")])
        assert store.leases() == []
