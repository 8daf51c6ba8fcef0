from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from greenroom.actors.records import Record
from greenroom.engine.store import NoStore, RunStore, StoreUnavailable
from greenroom.engine.store_errors import StoreError, StoreLocked
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import Simulated
from tests.engine.disks import make_read_only, small_disk
from tests.engine.playing import a_task, an_engine, play, quick, tasks

pytestmark = pytest.mark.anyio


class Alarm:
    """Raised by the journal's warning that admission is paused. Stands for its log."""

    def __init__(self, paused: anyio.Event) -> None:
        self.paused = paused

    def warning(self, event: str, **_: object) -> None:
        """Something is wrong."""
        if event == "admission_paused":
            self.paused.set()

    def info(self, event: str, **_: object) -> None:
        """Something is right again."""


async def noisy(call: ModelCall) -> Completion:
    """A model whose answers do not compress."""
    noise = Random(call.rollout_id).randbytes(6000).hex()  # noqa: S311 - not a secret
    return Completion(parts=(Text(noise),))


async def test_a_full_disk_pauses_admission(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is full no outcome is announced and no rollout admitted; with space again all goes on."""
    full = True
    commit = NoStore.commit

    def when_there_is_space(store: NoStore, records: Sequence[Record]) -> None:
        if full:
            raise StoreUnavailable("/run", "no space left on device")
        commit(store, records)

    monkeypatch.setattr(NoStore, "commit", when_there_is_space)
    outcomes: list[Outcome] = []
    engine = an_engine(concurrency=4)
    async with engine, anyio.create_task_group() as group:

        async def consume() -> None:
            outcomes.extend([outcome async for outcome in engine.run(tasks(40))])

        group.start_soon(consume)
        await anyio.sleep(3600)
        snapshot = engine.snapshot()
        assert (len(outcomes), snapshot.done, snapshot.running) == (0, 0, 0)
        assert snapshot.submitted <= 10
        assert "no space left" in snapshot.paused
        full = False
        await anyio.sleep(3600)
    assert len({outcome.rollout_id for outcome in outcomes}) == 40
    assert engine.snapshot().paused == ""


async def test_an_engine_with_a_full_disk_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving takes no longer than the engine's shutdown budget, though nothing can be kept."""

    def full(_: NoStore, __: Sequence[Record]) -> None:
        raise StoreUnavailable("/run", "no space left on device")

    monkeypatch.setattr(NoStore, "commit", full)
    engine = an_engine(shutdown=20)
    with anyio.move_on_after(50):
        async with engine:
            async for _ in engine.run(tasks(5)):
                pass
    assert anyio.current_time() <= 50 + 2 * 20 + 1


async def test_an_outcome_that_cannot_be_stored_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store refuses an outcome for what is in it, a bare one takes its place, so there is still exactly one."""
    commit = NoStore.commit

    def choosy(store: NoStore, records: Sequence[Record]) -> None:
        if any(isinstance(record, Outcome) and record.metadata for record in records):
            raise OverflowError("does not fit")
        commit(store, records)

    monkeypatch.setattr(NoStore, "commit", choosy)
    good, bad = await play(an_engine(), [a_task("good"), a_task("bad", metadata={"n": 1})])
    assert (good.status, bad.status) == ("completed", "engine_failed")
    assert bad.fault is not None
    assert (bad.fault.kind, bad.fault.message) == ("unstorable", "does not fit")


@pytest.mark.real_time
async def test_outcomes_are_in_the_store_when_announced(tmp_path: Path) -> None:
    """Every outcome an iteration gives is in the run's directory already."""
    engine = an_engine(store=tmp_path / "run", sandbox=Simulated(boot=0.001, turn=0.001), model=quick)
    seen = 0
    async with engine:
        async for outcome in engine.run(tasks(20)):
            seen += 1
            lines = (tmp_path / "run" / "outcomes.jsonl").read_text()
            assert outcome.rollout_id in lines
    with RunStore.open(tmp_path / "run") as store:
        assert len({outcome.rollout_id for outcome in store.outcomes()}) == seen == 20


@pytest.mark.real_time
async def test_a_second_start_has_ids_of_its_own(tmp_path: Path) -> None:
    """An engine that adds to a run does so under a name of its own, and no outcome takes another one's place."""
    for name in ("first", "second"):
        async with an_engine(store=tmp_path, sandbox=Simulated(boot=0.001, turn=0.001), model=quick) as engine:
            assert len([outcome async for outcome in engine.run(tasks(3), name=name)]) == 3
    with RunStore.open(tmp_path) as store:
        assert len({outcome.rollout_id for outcome in store.outcomes()}) == 6


@pytest.mark.real_time
async def test_a_store_that_cannot_be_used_is_told_before_anything_starts(tmp_path: Path) -> None:
    """An engine does not open on a store that cannot be written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another path"):
        await an_engine(store=tmp_path / "file").__aenter__()


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
async def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on a disk of a few hundred kB waits when it is full, goes on when there is space, and has every outcome."""
    paused = anyio.Event()
    monkeypatch.setattr("greenroom.actors.journal._log", Alarm(paused))
    announced: list[str] = []
    with small_disk(tmp_path / "small", "2m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_600_000))
        engine = an_engine(store=disk / "run", sandbox=Simulated(boot=0.001, turn=0.001), model=noisy, concurrency=2)
        async with engine, anyio.create_task_group() as group:

            async def consume() -> None:
                announced.extend([outcome.rollout_id async for outcome in engine.run(tasks(15))])

            group.start_soon(consume)
            with anyio.fail_after(30):
                await paused.wait()
            assert "free some space" in engine.snapshot().paused
            ballast.unlink()
        with RunStore.open(disk / "run") as store:
            assert [outcome.status for outcome in store.outcomes()] == ["completed"] * 15
            assert {outcome.rollout_id for outcome in store.outcomes()} == set(announced)
            assert store.leases() == []


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
async def test_a_read_only_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A run on a disk that has become read-only cannot be gone on with, and says what to do."""
    with small_disk(tmp_path / "small", "4m") as disk:
        await play(an_engine(store=disk / "run", sandbox=Simulated(boot=0.001, turn=0.001), model=quick), tasks(1))
        make_read_only(disk)
        with pytest.raises(StoreError, match=r"run.*[Rr]ead-only.*choose a directory that can be written"):
            await an_engine(store=disk / "run").__aenter__()


@pytest.mark.real_time
async def test_a_second_engine_is_refused(tmp_path: Path) -> None:
    """While an engine is open on a store another one is refused with the first one's process, and harms nothing."""
    usual: dict[str, Any] = {"store": tmp_path, "sandbox": Simulated(boot=0.001, turn=0.001), "model": quick}
    async with an_engine(**usual) as first:
        outcomes = first.run(tasks(4))
        seen = [await anext(outcomes)]
        with pytest.raises(StoreLocked, match=rf"in use by another engine \(process {os.getpid()}\)"):
            await an_engine(**usual).__aenter__()
        seen += [outcome async for outcome in outcomes]
    assert len(seen) == 4
    async with an_engine(**usual) as next_one:
        assert len([outcome async for outcome in next_one.run(tasks(4))]) == 4


@pytest.mark.real_time
@pytest.mark.long
async def test_a_journal_that_dies_loses_nothing(tmp_path: Path) -> None:
    """The store's writer is killed again and again in mid-run: everything announced is kept, and nothing is leased."""
    engine = an_engine(store=tmp_path, sandbox=Simulated(boot=0.001, turn=0.001), model=quick, concurrency=4)
    announced: list[str] = []
    async with engine:
        async for outcome in engine.run(tasks(30)):
            announced.append(outcome.rollout_id)
            if len(announced) % 5 == 0:
                engine.system.kill(engine.system.lookup("/engine/journal"))
        await engine.acknowledge([outcome])
    with RunStore.open(tmp_path) as store:
        assert sorted(kept.rollout_id for kept in store.outcomes()) == sorted(announced)
        assert len(announced) == 30
        assert store.leases() == []
