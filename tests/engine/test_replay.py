"""Runs that are replayed: what was said in them is said again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest

import greenroom as gr
from greenroom.engine.store import RunStore
from greenroom.interception.script import ScriptError
from greenroom.messages import Completion, ModelCall, Outcome, Text
from tests.engine.playing import an_engine, tasks

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]
FAST = gr.Simulated(boot=0.001, turn=0.001)


async def tokens(call: ModelCall) -> Completion:
    """Answers that differ, with tokens."""
    word = f"{call.task_id} {call.sample} {call.index}"
    return Completion(
        parts=(Text(word),),
        prompt_token_ids=tuple(range(call.index + 1)),
        completion_token_ids=(7, call.sample),
        logprobs=(-0.5, -0.25),
        weight_version="step-7",
    )


def contents(run: Path) -> dict[str, bytes]:
    """All files of a run."""
    return {path.name: path.read_bytes() for path in run.iterdir()}


async def played(model: object, **options: Any) -> dict[tuple[str, int], Outcome]:  # noqa: ANN401 - options of all types
    """The outcomes of two samples of three tasks."""
    async with an_engine(model=model, sandbox=FAST, console=False, **options) as engine:
        return {(outcome.task_id, outcome.sample): outcome async for outcome in engine.run(tasks(3), 2)}


async def test_a_run_is_replayed_by_its_directory_or_its_files(tmp_path: Path) -> None:
    """The directory, its summary, its database, and a file made of its outcomes give every answer again, exactly."""
    before = await played(tokens, store=tmp_path / "run")
    (tmp_path / "made.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in before.values()))
    for script in ("run", "run/outcomes.jsonl", "run/run.db", "made.jsonl"):
        after = await played(gr.Scripted(str(tmp_path / script)))
        assert {which: outcome.turns for which, outcome in before.items()}.keys() == after.keys()
        for which, outcome in after.items():
            assert [turn.completion for turn in outcome.turns] == [turn.completion for turn in before[which].turns]
            assert [turn.prompt_token_ids for turn in outcome.turns] == [
                turn.prompt_token_ids for turn in before[which].turns
            ]


async def test_a_replay_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    """Nothing is written into a run that is replayed, so that it can lie where nobody may write."""
    await played(tokens, store=tmp_path)
    before = contents(tmp_path)
    await played(gr.Scripted(str(tmp_path)))
    assert contents(tmp_path) == before


async def test_a_run_whose_engine_was_killed_is_replayed(tmp_path: Path) -> None:
    """What was committed counts, also where the database had no time to put it in its place."""
    async with an_engine(model=tokens, sandbox=FAST, console=False, store=tmp_path / "run") as engine:
        before = [outcome async for outcome in engine.run(tasks(3), 2)]
        await anyio.to_thread.run_sync(shutil.copytree, tmp_path / "run", tmp_path / "killed")
    assert (contents(tmp_path / "killed")).get("run.db-wal")
    after = await played(gr.Scripted(str(tmp_path / "killed")))
    assert {o.turns[1].completion.text for o in before} == {o.turns[1].completion.text for o in after.values()}


async def test_what_was_cancelled_hides_nothing(tmp_path: Path) -> None:
    """Of a task and sample that was run twice the last one counts, unless that was cancelled."""
    outcomes = list((await played(tokens)).values())
    cancelled = [msgspec.structs.replace(each, status="cancelled", attempts=()) for each in outcomes]
    (tmp_path / "o.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (*outcomes, *cancelled)))
    after = await played(gr.Scripted(str(tmp_path / "o.jsonl")))
    assert after["t1", 1].turns[2].completion.text == "t1 1 2"


def held(run: Path) -> None:
    """An engine works on it: the lock is held until the test's process ends or the store is collected."""
    _held.append(RunStore.open(run))


def older(run: Path) -> None:
    """An earlier greenroom wrote it."""
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as database:
        database.execute("PRAGMA user_version=1")


def newer(run: Path) -> None:
    """A later greenroom wrote it."""
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as database:
        database.execute("PRAGMA user_version=99")


def emptied(run: Path) -> None:
    """It was begun, and nothing has ended."""
    shutil.rmtree(run)
    RunStore.open(run).close()


def robbed(run: Path) -> None:
    """Its database is gone."""
    (run / "run.db").unlink()


def broken(run: Path) -> None:
    """Its database is none."""
    (run / "run.db").write_bytes(b"no database at all" * 100)


_held: list[RunStore] = []


@pytest.mark.parametrize(
    ("spoil", "script", "said"),
    [
        (held, "run", "is being written by process "),
        (held, "run/outcomes.jsonl", "is being written"),
        (older, "run", "is of schema 1, by an earlier greenroom"),
        (newer, "run", "is of schema 99"),
        (emptied, "run", "there are no outcomes in this run"),
        (robbed, "run", "it has no run.db"),
        (robbed, "run/outcomes.jsonl", "is the summary of an outcome, without what was said; give the directory"),
        (broken, "run", "not a database"),
        (robbed, ".", "it has no run.db"),
        (robbed, "typo", "No such file or directory"),
        (robbed, "nothing.jsonl", "there are no outcomes in this file"),
    ],
)
async def test_what_cannot_be_replayed_says_why(
    tmp_path: Path, spoil: Callable[[Path], None], script: str, said: str
) -> None:
    """One sentence for each, which names the place and what is wrong with it."""
    await played(tokens, store=tmp_path / "run")
    (tmp_path / "nothing.jsonl").touch()
    spoil(tmp_path / "run")
    try:
        with pytest.raises(ScriptError) as refused:
            await played(gr.Scripted(str(tmp_path / script)))
    finally:
        while _held:
            _held.pop().close()
    text = str(refused.value)
    assert said in text
    assert str(tmp_path) in text
    assert "\n" not in text
