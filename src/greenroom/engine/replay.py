"""Models that give again what a run has recorded: from a run's directory to the answers in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import anyio.to_thread

from greenroom.engine._storefiles import refuse_if_held
from greenroom.engine._storerows import PAGE, decode
from greenroom.engine._storeschema import SCHEMA, check
from greenroom.engine.store_errors import StoreError, StoreIncompatible, StoreMissing, guard
from greenroom.engine.stored import check_run
from greenroom.interception import OpenModel, model_for
from greenroom.interception.recording import RecordedModel
from greenroom.interception.script import ScriptError
from greenroom.messages import Outcome
from greenroom.specs import Model, Scripted

_FILES = ("outcomes.jsonl", "run.db")


async def open_model(model: Model) -> OpenModel:
    """What answers calls, from what ``Engine(model=...)`` takes.

    Raises:
        ScriptError: A script, or a recorded run, cannot be used.
        TypeError: It is not a model.
        ValueError: A setting cannot be used.
    """
    run = run_of(model.script) if isinstance(model, Scripted) else None
    return model_for(model) if run is None else await anyio.to_thread.run_sync(recorded_model, run)


def run_of(script: object) -> Path | None:
    """The run's directory that a script names, by itself or by one of its files; ``None``: it names something else."""
    if not isinstance(script, str):
        return None
    path = Path(script)
    if path.is_dir():
        return path
    return path.parent if path.name in _FILES and (path.parent / "run.db").is_file() else None


def recorded_model(run: Path) -> RecordedModel:
    """Everything that was said in a run. Raises `ScriptError`."""
    try:
        with closing(_open(run)) as database:
            return RecordedModel(_outcomes(run, database))
    except StoreError as error:
        raise ScriptError(str(error)) from error


def check_recorded(run: Path) -> None:
    """See that there is something to be given again, without reading it. Raises `ScriptError`."""
    try:
        _open(run).close()
    except StoreError as error:
        raise ScriptError(str(error)) from error


def _open(run: Path) -> sqlite3.Connection:
    """The run's database, to be read. Raises `StoreError`."""
    check_run(run)
    refuse_if_held(run)
    with guard(run):
        # Nobody writes to it, so that nothing has to be made beside it, unless its last engine was killed.
        how = "mode=ro" if _has_log(run) else "immutable=1"
        database = sqlite3.connect(f"file:{quote(str(run.absolute() / 'run.db'))}?{how}", uri=True)
        try:
            _check(run, database)
        except BaseException:
            database.close()
            raise
        return database


def _has_log(run: Path) -> bool:
    """Whether commits stand in the write-ahead log alone."""
    log = run / "run.db-wal"
    return log.is_file() and log.stat().st_size > 0


def _check(run: Path, database: sqlite3.Connection) -> None:
    found = check(run, database)
    if 0 < found < SCHEMA:
        raise StoreIncompatible(
            f"{run / 'run.db'} is of schema {found}, by an earlier greenroom, and schema {SCHEMA} can be replayed; "
            "start what began the run once more, with this store, which brings it up to date"
        )
    if not found or database.execute(PAGE, (0,)).fetchone() is None:
        raise StoreMissing(run, "there are no outcomes in this run, so there is nothing to replay")


def _outcomes(run: Path, database: sqlite3.Connection) -> Iterator[Outcome]:
    seq = 0
    with guard(run):
        while page := database.execute(PAGE, (seq,)).fetchall():
            for seq, rollout_id, codec, blob in page:  # noqa: B007 - the last one is where the next page begins
                yield decode(run, rollout_id, codec, blob)
