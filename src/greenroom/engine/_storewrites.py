"""How each kind of record gets into ``run.db``."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from greenroom.actors.records import Acknowledged, Lease, Record, Released, Submitted, Taken
from greenroom.engine._storerows import ADD_BLOB, ADD_OUTCOME, CODEC, row
from greenroom.engine._storeschema import now
from greenroom.messages import Outcome
from greenroom.specs import TaskSpec

_SUBMIT = """
INSERT INTO submission (run, samples, listed, created) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET samples = excluded.samples, listed = excluded.listed"""
_SUPERSEDE = """
UPDATE outcome SET superseded = 1 WHERE grp = ? AND sample = ? AND superseded = 0 AND run IS NOT NULL
    AND status = 'cancelled' AND rollout_id != ?"""
_LEASE = """
INSERT OR REPLACE INTO lease (id, backend, handle, rollout_id, attempt, deadline, epoch) VALUES (?, ?, ?, ?, ?, ?, ?)"""

Write = Callable[[sqlite3.Connection], None]


def prepare(record: Record, epoch: int) -> Write:
    """Do the slow part now; what is returned belongs into a transaction."""
    match record:
        case Outcome():
            return _outcome(record)
        case Lease():
            lease = (*msgspec.structs.astuple(record), epoch)
            return lambda database: _execute(database, _LEASE, lease)
        case Released():
            return lambda database: _execute(database, "DELETE FROM lease WHERE id = ?", (record.id,))
        case Submitted():
            return _submitted(record)
        case Taken():
            return _taken(record)
        case Acknowledged():
            return lambda database: _acknowledge(database, record.rollout_ids)


def digest(task: TaskSpec) -> str:
    """What a task's content is known by, wherever it was read from: the files it uploads count, images do not."""
    whole = hashlib.sha256(_body(replace(task, origin="")))
    for upload in (*task.uploads, *task.verify_uploads):
        for name in upload.files:
            whole.update(_file(Path(upload.source, name)))
    return whole.hexdigest()


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"?"  # whoever uploads it will tell


def _outcome(outcome: Outcome) -> Write:
    columns, blob = row(outcome)

    def write(database: sqlite3.Connection) -> None:
        _execute(database, _SUPERSEDE, (outcome.group, outcome.sample, outcome.rollout_id))
        if database.execute(ADD_OUTCOME, (*columns, outcome.group.partition("/")[0])).rowcount:
            _execute(database, ADD_BLOB, blob)

    return write


def _submitted(record: Submitted) -> Write:
    tasks = [(digest(task), CODEC, zlib.compress(_body(task), 1)) for task in record.tasks]
    ids = [
        (record.run, task.id, position, known)
        for position, (task, (known, *_)) in enumerate(zip(record.tasks, tasks, strict=True))
    ]

    def write(database: sqlite3.Connection) -> None:
        _execute(database, _SUBMIT, (record.run, record.samples, 1, now()))
        _execute(database, "DELETE FROM submitted WHERE run = ?", (record.run,))
        database.executemany("INSERT INTO submitted (run, task_id, position, hash) VALUES (?, ?, ?, ?)", ids)
        database.executemany("INSERT OR IGNORE INTO task (hash, codec, bytes) VALUES (?, ?, ?)", tasks)

    return write


def _taken(record: Taken) -> Write:
    task, run = record.task, record.run
    known, body = digest(task), zlib.compress(_body(task), 1)

    def write(database: sqlite3.Connection) -> None:
        _execute(database, _SUBMIT, (run, record.samples, 0, now()))
        add = "INSERT OR IGNORE INTO submitted (run, task_id, position, hash) SELECT ?, ?, count(*), ? FROM submitted"
        _execute(database, f"{add} WHERE run = ?", (run, task.id, known, run))
        _execute(database, "INSERT OR IGNORE INTO task (hash, codec, bytes) VALUES (?, ?, ?)", (known, CODEC, body))

    return write


def _acknowledge(database: sqlite3.Connection, rollout_ids: tuple[str, ...]) -> None:
    database.executemany("UPDATE outcome SET acknowledged = 1 WHERE rollout_id = ?", [(id,) for id in rollout_ids])


def _execute(database: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    database.execute(statement, values)


def _body(task: TaskSpec) -> bytes:
    return msgspec.msgpack.encode(task, enc_hook=_name, order="deterministic")


def _name(value: object) -> str:
    """A scorer that is a function, by its place."""
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__qualname__)}"
