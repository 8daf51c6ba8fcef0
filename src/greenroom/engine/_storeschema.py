"""The tables of ``run.db``, how they came to be what they are, and how a start of the run is recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from greenroom.engine._storerows import transaction
from greenroom.engine.changes import refuse
from greenroom.engine.store_errors import StoreIncompatible

SCHEMA = 2
"""Version of the tables, kept in SQLite's ``user_version``."""

_FIRST = """
CREATE TABLE run (epoch INTEGER PRIMARY KEY, config TEXT NOT NULL, version TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE outcome (
    seq INTEGER PRIMARY KEY, rollout_id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, grp TEXT NOT NULL,
    sample INTEGER NOT NULL, status TEXT NOT NULL, reward REAL, reward_valid INTEGER NOT NULL,
    attempts INTEGER NOT NULL, blame TEXT, seconds REAL, created TEXT NOT NULL, summary BLOB NOT NULL);
CREATE INDEX outcome_task ON outcome (task_id, sample);
CREATE TABLE blob (rollout_id TEXT PRIMARY KEY, codec TEXT NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID"""

# ``run`` is what `Engine.run` was called; NULL for a session's. ``superseded``: cancelled, and run again since.
_SECOND = """
ALTER TABLE outcome ADD COLUMN run TEXT;
ALTER TABLE outcome ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outcome ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX outcome_final ON outcome (grp, sample) WHERE superseded = 0 AND run IS NOT NULL;
CREATE INDEX outcome_run ON outcome (run, seq);
CREATE TABLE submission (
    run TEXT PRIMARY KEY, samples INTEGER NOT NULL, listed INTEGER NOT NULL, created TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE submitted (
    run TEXT NOT NULL, task_id TEXT NOT NULL, position INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (run, task_id)) WITHOUT ROWID;
CREATE TABLE task (hash TEXT PRIMARY KEY, codec TEXT NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE lease (
    id TEXT PRIMARY KEY, backend TEXT NOT NULL, handle TEXT NOT NULL, rollout_id TEXT NOT NULL,
    attempt INTEGER NOT NULL, epoch INTEGER NOT NULL, deadline REAL NOT NULL) WITHOUT ROWID;
UPDATE run SET config = json_set(config, '$.model', '<' || json_extract(config, '$.model') || '>')
    WHERE json_type(config, '$.model') = 'text';
INSERT INTO submission SELECT DISTINCT substr(grp, 1, length(grp) - length(task_id) - 1), 0, 0, '' FROM outcome
    WHERE substr(grp, -length(task_id) - 1) = '/' || task_id;
UPDATE OR IGNORE outcome SET run = substr(grp, 1, length(grp) - length(task_id) - 1)
    WHERE substr(grp, -length(task_id) - 1) = '/' || task_id"""

_STEPS = (_FIRST, _SECOND)
"""What makes each version of the one before."""


def begin(path: Path, database: sqlite3.Connection, config: str | None, allow: Collection[str]) -> int:
    """Bring the tables up to date and record a start of the run; its epoch.

    Raises:
        StoreIncompatible: The tables are of a later greenroom, or somebody else's.
        StoreChanged: The configuration is not that of the last start.
    """
    with transaction(database):
        found = check(path, database)
        for step in _STEPS[found:]:
            for statement in step.split(";"):
                database.execute(statement)
        database.execute(f"PRAGMA user_version={SCHEMA}")
        before = last_config(database)
        if before is not None and config is not None:
            refuse(path, before, config, allow)
        start = (config or before or "{}", _version(), now())
        return database.execute("INSERT INTO run (config, version, created) VALUES (?, ?, ?)", start).lastrowid or 0


def check(path: Path, database: sqlite3.Connection) -> int:
    """The version of the tables; 0 when there are none. Raises `StoreIncompatible`."""
    (found,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found > SCHEMA or bool(found) != bool(tables):
        raise StoreIncompatible(
            f"{path / 'run.db'} is of schema {found}, this greenroom reads schemas 1 to {SCHEMA}; "
            "read it with the greenroom that wrote it, or choose another directory"
        )
    return int(found)


def last_config(database: sqlite3.Connection) -> str | None:
    """The configuration of the last start; ``None`` before the first."""
    row = database.execute("SELECT config FROM run ORDER BY epoch DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).isoformat()


def _version() -> str:
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"
