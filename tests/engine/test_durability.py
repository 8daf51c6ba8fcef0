from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from greenroom.engine.store import MemoryStore, RunStore, StoreUnavailable
from greenroom.engine.store_errors import StoreError
from greenroom.messages import Outcome
from greenroom.specs import Simulated
from tests.engine.playing import a_task, an_engine, play, quick, tasks

pytestmark = pytest.mark.anyio


async def test_a_full_disk_pauses_admission(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is full no outcome is announced and no rollout admitted; with space again all goes on."""
    full = True
    commit = MemoryStore.commit

    def when_there_is_space(store: MemoryStore, outcomes: Sequence[Outcome]) -> None:
        if full:
            raise StoreUnavailable("/run", "no space left on device")
        commit(store, outcomes)

    monkeypatch.setattr(MemoryStore, "commit", when_there_is_space)
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

    def full(_: MemoryStore, __: Sequence[Outcome]) -> None:
        raise StoreUnavailable("/run", "no space left on device")

    monkeypatch.setattr(MemoryStore, "commit", full)
    engine = an_engine(shutdown=20)
    with anyio.move_on_after(50):
        async with engine:
            async for _ in engine.run(tasks(5)):
                pass
    assert anyio.current_time() <= 50 + 2 * 20 + 1


async def test_an_outcome_that_cannot_be_stored_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store refuses an outcome for what is in it, a bare one takes its place, so there is still exactly one."""
    commit = MemoryStore.commit

    def choosy(store: MemoryStore, outcomes: Sequence[Outcome]) -> None:
        if any(outcome.metadata for outcome in outcomes):
            raise OverflowError("does not fit")
        commit(store, outcomes)

    monkeypatch.setattr(MemoryStore, "commit", choosy)
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
    """An engine that goes on with a run adds to it, and no outcome takes another one's place."""
    for _ in range(2):
        engine = an_engine(store=tmp_path, sandbox=Simulated(boot=0.001, turn=0.001), model=quick)
        await play(engine, tasks(3))
    with RunStore.open(tmp_path) as store:
        assert len({outcome.rollout_id for outcome in store.outcomes()}) == 6


@pytest.mark.real_time
async def test_a_store_that_cannot_be_used_is_told_before_anything_starts(tmp_path: Path) -> None:
    """An engine does not open on a store that cannot be written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another path"):
        await an_engine(store=tmp_path / "file").__aenter__()
