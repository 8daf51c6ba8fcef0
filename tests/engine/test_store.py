"""The store keeps what it announced, refuses what it cannot keep, and says why."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from greenroom.engine.store import RunStore, StoreIncompatible, StoreLocked, StoreUnavailable
from greenroom.messages.model import ChatMessage, Completion, Text, ToolUse, Turn, Usage
from greenroom.messages.outcome import AttemptRecord, CommandResult, Fault, Outcome
from tests.engine.disks import make_read_only, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_outcome(
    number: int, *, words: str = "secret thoughts", reward: float | dict[str, float] | None = 1.0
) -> Outcome:
    """An outcome with one attempt of one turn; unscored, it has a fault."""
    turn = Turn(
        index=0,
        shared=0,
        messages=(ChatMessage("user", (Text(words),)),),
        completion=Completion(
            parts=(Text(words), ToolUse("call-1", "bash", '{"command": "ls"}')),
            usage=Usage(10, 3),
            prompt_token_ids=(1, 2, 3),
            completion_token_ids=(70001, 70002),
            logprobs=(-0.5, -0.25),
        ),
        started=0.0,
        seconds=0.1,
    )
    fault = Fault(blame="agent", kind="agent_failed", message="exit code 3", phase="agent", detail=words)
    command = CommandResult(command="sh test.sh", phase="verify", exit_code=1, output=words, seconds=0.2)
    attempt = AttemptRecord(number=1, status="completed", turns=(turn,), commands=(command,), agent_log=words)
    return Outcome(
        rollout_id=f"r-{number:06}",
        task_id=f"task-{number // 2}",
        group=f"task-{number // 2}",
        sample=number % 2,
        agent="bash",
        status="agent_failed" if reward is None else "completed",
        reward=reward,
        reward_valid=reward is not None,
        fault=fault if reward is None else None,
        attempts=(attempt,),
        timings={"total": 1.5},
        created="2025-01-01T00:00:00Z",
        metadata={"level": "easy"},
    )


def noise(seed: int, size: int) -> str:
    """Text that compresses to half."""
    return random.Random(seed).randbytes(size).hex()  # noqa: S311 - not a secret


def lines(path: Path) -> list[dict[str, Any]]:
    """The summaries in a run's outcomes.jsonl."""
    return [msgspec.json.decode(line) for line in (path / "outcomes.jsonl").read_bytes().splitlines()]


def ids(path: Path) -> list[str]:
    """The rollouts in a run's outcomes.jsonl."""
    return [line["rollout_id"] for line in lines(path)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where a run may be."""
    return tmp_path / "runs" / "today"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk(tmp_path / "small", "4m") as path:
        yield path


def test_outcomes_come_back_equal_after_reopening(run: Path) -> None:
    """What was committed is read back field by field, in order, by the next start of the run."""
    kept = [make_outcome(0), make_outcome(1, reward=None), make_outcome(2, reward={"tests": 0.5, "style": 1.0})]
    with RunStore.open(run) as store:
        store.commit(kept[:1])
        store.commit(kept[1:])
        assert list(store.outcomes()) == kept
    with RunStore.open(run) as store:
        assert list(store.outcomes()) == kept
        assert store.done() == {("task-0", 0), ("task-0", 1), ("task-1", 0)}


def test_outcomes_can_be_committed_while_they_are_read(run: Path) -> None:
    """Reading goes page by page and sees what is committed meanwhile."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(number) for number in range(40)])
        reader = store.outcomes()
        next(reader)
        store.commit([make_outcome(40)])
        assert [outcome.rollout_id for outcome in reader] == [f"r-{number:06}" for number in range(1, 41)]


def test_summary_line_has_no_tokens_texts_or_logs(run: Path) -> None:
    """A line of outcomes.jsonl counts turns and tokens but carries no token, text, output or log."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(1, reward=None)])
    text = (run / "outcomes.jsonl").read_text()
    (line,) = lines(run)
    assert "secret thoughts" not in text
    assert "70001" not in text
    assert line["status"] == "agent_failed"
    assert line["fault"] == {"blame": "agent", "kind": "agent_failed", "message": "exit code 3", "phase": "agent"}
    assert line["reward"] is None
    (attempt,) = line["attempts"]
    assert (attempt["turns"], attempt["prompt_tokens"], attempt["completion_tokens"]) == (1, 10, 3)
    assert attempt["commands"][0]["exit_code"] == 1


def test_columns_answer_questions_without_decoding(run: Path) -> None:
    """Reward, status, blame and duration are plain columns; an unscored rollout is NULL, never 0."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(0, reward=0.5), make_outcome(1, reward=None)])
    database = sqlite3.connect(run / "run.db")
    rows = database.execute("SELECT task_id, sample, status, reward, blame, attempts, seconds FROM outcome").fetchall()
    database.close()
    assert rows == [("task-0", 0, "completed", 0.5, None, 1, 1.5), ("task-0", 1, "agent_failed", None, "agent", 1, 1.5)]


def test_committing_again_changes_nothing(run: Path) -> None:
    """One outcome per rollout: a second commit of the same rollout leaves the first, in database and lines."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(0, reward=1.0)])
        store.commit([make_outcome(0, reward=0.0), make_outcome(1)])
        assert [outcome.reward for outcome in store.outcomes()] == [1.0, 1.0]
    assert ids(run) == ["r-000000", "r-000001"]


def test_output_that_utf8_cannot_hold_is_kept_readable(run: Path) -> None:
    """A lone surrogate from a hostile agent costs one character, not the outcome nor its neighbours."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(0), make_outcome(1, words="a\ud800b")])
        assert [outcome.attempts[0].agent_log for outcome in store.outcomes()] == ["secret thoughts", "a?b"]


def test_outcome_the_database_refuses_leaves_the_others_alone(run: Path) -> None:
    """A group with an outcome that no column can hold is refused as a whole, and the next commit works."""
    impossible = msgspec.structs.replace(make_outcome(1), sample=2**63)
    with RunStore.open(run) as store:
        with pytest.raises(OverflowError):
            store.commit([make_outcome(0), impossible])
        assert list(store.outcomes()) == []
        store.commit([make_outcome(0)])
        assert store.done() == {("task-0", 0)}


@pytest.mark.parametrize("damage", ["torn", "missing", "garbage", "foreign", "deleted"])
def test_damaged_lines_are_repaired_on_open(run: Path, damage: str) -> None:
    """Whatever happened to outcomes.jsonl, opening the run makes it say what the database says."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(number) for number in range(3)])
    file = run / "outcomes.jsonl"
    good = file.read_bytes()
    match damage:
        case "torn":
            file.write_bytes(good[:-20])
        case "missing":
            file.write_bytes(good[: good.index(b"\n") + 1])
        case "garbage":
            file.write_bytes(good[:100] + b"\0\xff" + good[102:])
        case "foreign":
            file.write_bytes(good + b'{"hello": 1}\n{"to')
        case _:
            file.unlink()
    with RunStore.open(run) as store:
        assert file.read_bytes() == good
        store.commit([make_outcome(3)])
    assert ids(run) == [f"r-{number:06}" for number in range(4)]


def test_second_engine_is_refused(run: Path) -> None:
    """While one engine holds a run another is refused by name, and it is free again after closing."""
    with RunStore.open(run), pytest.raises(StoreLocked, match=rf"in use by another engine \(process {os.getpid()}\)"):
        RunStore.open(run)
    RunStore.open(run).close()


def test_every_start_is_recorded_with_its_configuration(run: Path) -> None:
    """Each start gets the next epoch and keeps the configuration it was given."""
    with RunStore.open(run, config='{"samples": 1}') as store:
        assert store.epoch == 1
    with RunStore.open(run, config='{"samples": 2}', allow=["samples"]) as store:
        assert store.epoch == 2
    database = sqlite3.connect(run / "run.db")
    assert database.execute("SELECT epoch, config FROM run").fetchall() == [
        (1, '{"samples": 1}'),
        (2, '{"samples": 2}'),
    ]
    database.close()


def test_run_of_another_schema_is_refused(run: Path) -> None:
    """A run written with other tables is refused with both versions in the text, and left as it is."""
    RunStore.open(run).close()
    database = sqlite3.connect(run / "run.db")
    database.execute("PRAGMA user_version=999")
    database.close()
    with pytest.raises(StoreIncompatible, match="schema 999, this greenroom reads schemas 1 to 2"):
        RunStore.open(run)
    with pytest.raises(StoreIncompatible):  # not StoreLocked: the first refusal let go of the lock
        RunStore.open(run)


def test_file_that_is_no_database_is_refused(run: Path) -> None:
    """A run.db of other contents is refused, not overwritten."""
    run.mkdir(parents=True)
    (run / "run.db").write_bytes(b"my diary " * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        RunStore.open(run)
    assert (run / "run.db").read_bytes().startswith(b"my diary")


def test_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A store path that names a file is refused with the path in the text."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"file: .*choose another path"):
        RunStore.open(tmp_path / "file")


def test_outcome_that_rotted_on_disk_is_named(run: Path) -> None:
    """A damaged blob is reported with its rollout, never returned as something else."""
    with RunStore.open(run) as store:
        store.commit([make_outcome(0)])
    database = sqlite3.connect(run / "run.db")
    database.execute("UPDATE blob SET bytes = x'00ff'")
    database.commit()
    database.close()
    with RunStore.open(run) as store, pytest.raises(StoreUnavailable, match="r-000000 does not decode"):
        list(store.outcomes())


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
def test_full_disk_fails_the_commit_and_loses_nothing(full_disk: Path) -> None:
    """On a full disk the commit fails with a remedy, nothing of it is kept, and it succeeds once there is space."""
    ballast = full_disk / "ballast"
    ballast.write_bytes(b"\0" * 3_900_000)
    with RunStore.open(full_disk / "run") as store:
        store.commit([make_outcome(0)])
        lost = [make_outcome(1), make_outcome(2, words=noise(1, 100_000))]
        with pytest.raises(StoreUnavailable, match="free some space"):
            store.commit(lost)
        assert [outcome.rollout_id for outcome in store.outcomes()] == ["r-000000"]
        ballast.unlink()
        store.commit(lost)
    with RunStore.open(full_disk / "run") as store:
        assert list(store.outcomes()) == [make_outcome(0), *lost]
    assert ids(full_disk / "run") == ["r-000000", "r-000001", "r-000002"]


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
def test_disk_that_fills_byte_by_byte_never_breaks_the_store(full_disk: Path) -> None:
    """Commits until the disk is full: every commit that returned is there, every line is whole, before and after."""
    announced: list[str] = []

    def fill(store: RunStore) -> None:
        for number in range(2000):
            store.commit([make_outcome(number, words=noise(number, 2000))])
            announced.append(f"r-{number:06}")

    with RunStore.open(full_disk / "run") as store, pytest.raises(StoreUnavailable):
        fill(store)
    assert len(announced) > 50
    assert ids(full_disk / "run") == announced[: len(lines(full_disk / "run"))]
    database = sqlite3.connect(full_disk / "run" / "run.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert [row[0] for row in database.execute("SELECT rollout_id FROM outcome ORDER BY seq")] == announced
    database.close()


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
def test_lines_that_cannot_be_written_fail_no_commit(full_disk: Path, run: Path) -> None:
    """When outcomes.jsonl alone cannot be written, commits succeed, its lines stay whole, and it catches up later."""
    run.mkdir(parents=True)
    (run / "outcomes.jsonl").symlink_to(full_disk / "lines")
    ballast = full_disk / "ballast"
    ballast.write_bytes(b"\0" * (4 * 1024 * 1024 - 2 * 4096))
    with RunStore.open(run) as store:
        for number in range(30):
            store.commit([make_outcome(number)])
        lagged = [store.lagging]
        written = ids(run)
        assert 0 < len(written) < 30
        assert written == [f"r-{number:06}" for number in range(len(written))]
        ballast.unlink()
        store.commit([make_outcome(30)])
        lagged.append(store.lagging)
    assert lagged == [True, False]
    assert ids(run) == [f"r-{number:06}" for number in range(31)]


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.needs("root")
def test_read_only_directory_is_refused_with_a_remedy(full_disk: Path) -> None:
    """A read-only output directory is refused before anything starts, with the path and what to do."""
    make_read_only(full_disk)
    with pytest.raises(StoreUnavailable, match=r"small/run: .*[Rr]ead-only.*; choose a directory that can be written"):
        RunStore.open(full_disk / "run")


@pytest.mark.parametrize("damage", ["cut", "cut-in-a-page", "garbage", "zeros", "gone"])
def test_a_damaged_log_costs_its_tail_alone(run: Path, tmp_path: Path, damage: str) -> None:
    """Whatever a crash did to the end of the write-ahead log: what is before it is there, and everything works."""
    copy = tmp_path / "copy"
    with RunStore.open(run) as store:
        for number in range(20):
            store.commit([make_outcome(number)])
        shutil.copytree(run, copy)  # as SIGKILL would leave it
    log = copy / "run.db-wal"
    whole = log.read_bytes()
    tail = len(whole) // 3
    match damage:
        case "cut":
            log.write_bytes(whole[: -4096 - 24])
        case "cut-in-a-page":
            log.write_bytes(whole[: -tail - 1000])
        case "garbage":
            log.write_bytes(whole[:-tail] + random.Random(1).randbytes(tail))  # noqa: S311 - not a secret
        case "zeros":
            log.write_bytes(whole[:-tail] + bytes(tail))
        case _:
            (copy / "run.db-shm").unlink()
    with RunStore.open(copy) as store:
        kept = [outcome.rollout_id for outcome in store.outcomes()]
        store.commit([make_outcome(99)])
        assert [outcome.rollout_id for outcome in store.outcomes()] == [*kept, "r-000099"]
    assert kept == [f"r-{number:06}" for number in range(len(kept))]
    assert len(kept) == 20 if damage == "gone" else 10 < len(kept) < 20
    assert ids(copy) == [*kept, "r-000099"]
    with closing(sqlite3.connect(copy / "run.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import make_outcome
from greenroom.engine.store import RunStore
with RunStore.open(sys.argv[1]) as store:
    number = len(store.done())
    while True:
        group = [make_outcome(number + offset, words="x" * 20000) for offset in range(1 + number % 5)]
        store.commit(group)
        number += len(group)
        for outcome in group:
            print(outcome.rollout_id, flush=True)
"""


@pytest.mark.real_time
def test_sigkill_loses_nothing_announced(run: Path) -> None:
    """Killed by SIGKILL at random moments and started again, the store still has all it announced, once each."""
    announced: list[str] = []
    rng = random.Random(7)  # noqa: S311 - not a secret
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(run), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            announced += [writer.stdout.readline().strip() for _ in range(rng.randrange(1, 40))]
            writer.send_signal(signal.SIGKILL)
            announced += [line.strip() for line in writer.stdout if line.endswith("\n")]
        with RunStore.open(run) as store:
            kept = [outcome.rollout_id for outcome in store.outcomes()]
        assert set(announced) <= set(kept)
        assert kept == [f"r-{number:06}" for number in range(len(kept))]
        assert ids(run) == kept
