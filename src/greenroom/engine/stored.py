"""A run as it lies on disk, read without holding it: how it was configured, what was submitted, what is done."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.engine._storerows import CODEC
from greenroom.engine._storeschema import SCHEMA, check, last_config
from greenroom.engine.configuration import Configuration, read_config
from greenroom.engine.store import connect
from greenroom.engine.store_errors import StoreIncompatible, StoreMissing, StoreUnavailable, guard
from greenroom.engine.submission import Submission
from greenroom.specs import TaskSpec

_TASKS = """
SELECT codec, bytes FROM submitted JOIN task USING (hash) WHERE run = ? ORDER BY position"""


class StoredSubmission(Struct, frozen=True, kw_only=True):
    """One `Engine.run` of it."""

    run: str
    samples: int
    tasks: tuple[TaskSpec, ...]
    done: int
    """Rollouts with an outcome."""


class StoredRun(Struct, frozen=True, kw_only=True):
    """All of it."""

    path: Path
    configuration: Configuration
    submissions: tuple[StoredSubmission, ...]


def read_run(path: Path) -> StoredRun:
    """Read what can be gone on with.

    Raises:
        StoreMissing: There is no run.
        StoreUnavailable: It cannot be read.
        StoreIncompatible: It cannot be gone on with from here; the text says how else.
    """
    path = path.absolute()
    check_run(path)
    with guard(path), closing(connect(path)) as database:
        if check(path, database) < SCHEMA:
            raise StoreIncompatible(f"the run in {path} does not say what was submitted; {_PROGRAM.format(path=path)}")
        runs = [name for (name,) in database.execute("SELECT run FROM submission ORDER BY created, run")]
        return StoredRun(
            path=path,
            configuration=read_config(last_config(database) or "{}"),
            submissions=tuple(_submission(path, database, run) for run in runs),
        )


def check_run(path: Path) -> None:
    """See that a directory holds a run. Raises `StoreMissing`."""
    if not path.exists():
        raise StoreMissing(path, "there is no such run")
    if not path.is_dir():
        raise StoreMissing(path, "this is a file; a run is a directory")
    if not (path / "run.db").is_file():
        raise StoreMissing(path, "there is no run in this directory: it has no run.db")


_PROGRAM = "start what began it again, as it was, with the store {path}"


def _submission(path: Path, database: sqlite3.Connection, run: str) -> StoredSubmission:
    found = Submission.read(database, run)
    if found is None or not found.listed:
        raise StoreIncompatible(
            f"the tasks of {run} in {path} came from an iterator, which is not kept; {_PROGRAM.format(path=path)}"
        )
    tasks = tuple(_task(path, *row) for row in database.execute(_TASKS, (run,)))
    return StoredSubmission(run=run, samples=found.samples, tasks=tasks, done=len(found.done))


def _task(path: Path, codec: str, body: bytes) -> TaskSpec:
    try:
        if codec == CODEC:
            return msgspec.msgpack.decode(zlib.decompress(body), type=TaskSpec, dec_hook=_as_it_is)
        problem = f"unknown codec {codec!r}"
    except (zlib.error, msgspec.MsgspecError) as error:
        problem = str(error)
    raise StoreUnavailable(path, f"a task does not decode ({problem})")


def _as_it_is(_type: type, value: Any) -> Any:  # noqa: ANN401 - a scorer is kept as the place of its function
    return value
