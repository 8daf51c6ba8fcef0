"""Outcomes as rows: how one gets into ``run.db`` and out again."""

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

ADD_OUTCOME = """
INSERT INTO outcome (rollout_id, task_id, grp, sample, status, reward, reward_valid, attempts, blame, seconds, created,
    summary, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT run FROM submission WHERE run = ?))
    ON CONFLICT DO NOTHING"""
ADD_BLOB = "INSERT INTO blob (rollout_id, codec, bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
PAGE = """
SELECT seq, rollout_id, codec, bytes FROM outcome JOIN blob USING (rollout_id)
WHERE superseded = 0 AND seq > ? ORDER BY seq LIMIT 32"""
KEPT = """
SELECT seq, rollout_id, codec, bytes FROM outcome JOIN blob USING (rollout_id)
WHERE seq > ? AND run = ? AND seq <= ? AND superseded = 0 AND acknowledged = 0 AND status != 'cancelled'
ORDER BY seq LIMIT 32"""

CODEC = "msgpack+zlib"
_OUTCOME = msgspec.msgpack.Decoder(Outcome)


def row(outcome: Outcome) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What `ADD_OUTCOME`, but for its run, and `ADD_BLOB` take."""
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
    return columns, (outcome.rollout_id, CODEC, zlib.compress(body, 1))


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
        if codec == CODEC:
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
