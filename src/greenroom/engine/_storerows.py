"""Outcomes as rows: the tables of ``run.db``, and how an outcome gets into them and out again."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from greenroom.engine.store_errors import StoreUnavailable
from greenroom.engine.summary import summarise
from greenroom.messages.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

SCHEMA = 1
"""Version of the tables, kept in SQLite's ``user_version``."""

TABLES = """
CREATE TABLE run (epoch INTEGER PRIMARY KEY, config TEXT NOT NULL, version TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE outcome (
    seq INTEGER PRIMARY KEY, rollout_id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, grp TEXT NOT NULL,
    sample INTEGER NOT NULL, status TEXT NOT NULL, reward REAL, reward_valid INTEGER NOT NULL,
    attempts INTEGER NOT NULL, blame TEXT, seconds REAL, created TEXT NOT NULL, summary BLOB NOT NULL);
CREATE INDEX outcome_task ON outcome (task_id, sample);
CREATE TABLE blob (rollout_id TEXT PRIMARY KEY, codec TEXT NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
"""
ADD_OUTCOME = """
INSERT INTO outcome (rollout_id, task_id, grp, sample, status, reward, reward_valid, attempts, blame, seconds, created,
    summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
ADD_BLOB = "INSERT INTO blob (rollout_id, codec, bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
PAGE = """
SELECT seq, rollout_id, codec, bytes FROM outcome JOIN blob USING (rollout_id) WHERE seq > ? ORDER BY seq LIMIT 32"""

_CODEC = "msgpack+zlib"
_OUTCOME = msgspec.msgpack.Decoder(Outcome)


def row(outcome: Outcome) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What `ADD_OUTCOME` and `ADD_BLOB` take."""
    try:
        body = msgspec.msgpack.encode(outcome)
    except UnicodeEncodeError:
        outcome = msgspec.convert(_scrub(msgspec.to_builtins(outcome)), Outcome)
        body = msgspec.msgpack.encode(outcome)
    named = isinstance(outcome.reward, dict)
    columns = (
        outcome.rollout_id,
        outcome.task_id,
        outcome.group,
        outcome.sample,
        outcome.status,
        msgspec.json.encode(outcome.reward).decode() if named else outcome.reward,
        outcome.reward_valid,
        len(outcome.attempts),
        outcome.fault.blame if outcome.fault else None,
        outcome.timings.get("total"),
        outcome.created,
        msgspec.json.encode(summarise(outcome)) + b"\n",
    )
    return columns, (outcome.rollout_id, _CODEC, zlib.compress(body, 1))


def _scrub(value: object) -> object:
    """Replace lone surrogates, which agents can print and UTF-8 cannot hold."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_scrub(key): _scrub(item) for key, item in cast("dict[object, object]", value).items()}
        case list() | tuple():
            return [_scrub(item) for item in cast("list[object]", value)]
        case _:
            return value


def decode(path: Path, rollout_id: str, codec: str, blob: bytes) -> Outcome:
    """The outcome of a blob. Raises `StoreUnavailable` if it rotted."""
    try:
        if codec == _CODEC:
            return _OUTCOME.decode(zlib.decompress(blob))
        problem = f"unknown codec {codec!r}"
    except (zlib.error, msgspec.DecodeError) as error:
        problem = str(error)
    raise StoreUnavailable(path, f"the outcome of {rollout_id} does not decode ({problem})")


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """All of the block or none of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:  # a full disk makes SQLite roll back by itself
            database.execute("ROLLBACK")
