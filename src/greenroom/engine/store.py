"""The results of a run on disk: announced means committed.

A run is a directory: ``run.db`` (SQLite, the truth), ``outcomes.jsonl`` (one summary a line, made from it, for
``tail -f``) and ``lock``. SQLite runs with a write-ahead log and ``synchronous=FULL``, so a commit that returned
survives the engine's SIGKILL and the machine's power loss.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from greenroom.engine._storefiles import lock, sync, write
from greenroom.engine._storerows import ADD_BLOB, ADD_OUTCOME, PAGE, SCHEMA, TABLES, decode, row, transaction
from greenroom.engine.store_errors import StoreError, StoreIncompatible, StoreLocked, StoreUnavailable, guard
from greenroom.messages.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "MemoryStore",
    "RunStore",
    "Store",
    "StoreError",
    "StoreIncompatible",
    "StoreLocked",
    "StoreUnavailable",
]

_BUSY_SECONDS = 10.0


class Store(Protocol):
    """Where outcomes go. Synchronous: one caller at a time, from any thread."""

    epoch: int
    """Which start of the run this is, from 1."""

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Keep all of them or none. What was committed before is left as it is."""
        ...

    def outcomes(self) -> Iterator[Outcome]:
        """Everything committed, in order of commit."""
        ...

    def done(self) -> set[tuple[str, int]]:
        """Task id and sample of everything committed."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class MemoryStore:
    """Keeps outcomes as long as the process lives."""

    def __init__(self) -> None:
        self.epoch = 1
        self._outcomes: dict[str, Outcome] = {}

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Keep them."""
        for outcome in outcomes:
            self._outcomes.setdefault(outcome.rollout_id, outcome)

    def outcomes(self) -> Iterator[Outcome]:
        """Everything committed so far, in order of commit."""
        return iter(tuple(self._outcomes.values()))

    def done(self) -> set[tuple[str, int]]:
        """Task id and sample of everything committed."""
        return {(outcome.task_id, outcome.sample) for outcome in self._outcomes.values()}

    def close(self) -> None:
        """Nothing to do."""


class RunStore:
    """One run's directory, held by one engine at a time."""

    def __init__(self, path: Path, database: sqlite3.Connection, lines: int, epoch: int, resources: ExitStack) -> None:
        """Use `open`."""
        self.path = path
        self.epoch = epoch
        self.lagging = False
        """``outcomes.jsonl`` could not be written; the next commit or `open` makes up for it."""
        self._database = database
        self._lines = lines
        self._written = 0
        self._resources = resources

    @classmethod
    def open(cls, path: Path | str, *, config: str = "{}") -> RunStore:
        """Make the directory, or go on with the run in it.

        Args:
            path: The run's directory; parents are made.
            config: The engine's configuration as JSON, recorded with this start.

        Raises:
            StoreLocked: Another engine works on it.
            StoreIncompatible: It holds something else.
            StoreUnavailable: It cannot be read or written.
        """
        path = Path(path).absolute()
        with guard(path), ExitStack() as resources:
            path.mkdir(parents=True, exist_ok=True)
            resources.callback(os.close, lock(path))
            database = _connect(path)
            resources.callback(database.close)
            epoch = _begin(path, database, config)
            lines = os.open(path / "outcomes.jsonl", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            resources.callback(os.close, lines)
            sync(path)
            store = cls(path, database, lines, epoch, resources)
            store._repair()
            store._resources = resources.pop_all()
        return store

    def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Keep all of them or none, durably. An outcome that is there already is left as it is.

        Raises:
            StoreUnavailable: Nothing was kept; try again once the cause is gone.
        """
        rows = [row(outcome) for outcome in outcomes]
        with guard(self.path), transaction(self._database):
            for outcome, blob in rows:
                self._database.execute(ADD_OUTCOME, outcome)
                self._database.execute(ADD_BLOB, blob)
        self._summarise()

    def outcomes(self) -> Iterator[Outcome]:
        """Everything committed, in order of commit. Reads page by page, so it never holds up the write-ahead log.

        Raises:
            StoreUnavailable: The database cannot be read.
        """
        seq = 0
        while True:
            with guard(self.path):
                page = self._database.execute(PAGE, (seq,)).fetchall()
            if not page:
                return
            for seq, rollout_id, codec, blob in page:  # noqa: B007 - the last one is where the next page begins
                yield decode(self.path, rollout_id, codec, blob)

    def done(self) -> set[tuple[str, int]]:
        """Task id and sample of everything committed."""
        with guard(self.path):
            return set(self._database.execute("SELECT task_id, sample FROM outcome"))

    def close(self) -> None:
        """Let another engine have it. Idempotent."""
        self._resources.close()

    def __enter__(self) -> Self:
        """Close on leaving."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _repair(self) -> None:
        """Cut ``outcomes.jsonl`` where it stops being what the database says, and write the rest."""
        good = 0
        with os.fdopen(os.dup(self._lines), "rb") as lines:
            for seq, summary in self._database.execute("SELECT seq, summary FROM outcome ORDER BY seq"):
                if lines.read(len(summary)) != summary:
                    break
                good += len(summary)
                self._written = seq
        os.ftruncate(self._lines, good)
        self._summarise()

    def _summarise(self) -> None:
        """Append the summaries that are missing. Its failure loses nothing, so it fails no commit."""
        query = "SELECT seq, summary FROM outcome WHERE seq > ? ORDER BY seq"
        end = os.lseek(self._lines, 0, os.SEEK_END)
        try:
            for seq, summary in self._database.execute(query, (self._written,)):
                write(self._lines, summary)
                end += len(summary)
                self._written = seq
        except (OSError, sqlite3.OperationalError):
            os.ftruncate(self._lines, end)
            self.lagging = True
        else:
            self.lagging = False


def _connect(path: Path) -> sqlite3.Connection:
    # One caller at a time, but a worker thread is not always the same thread.
    database = sqlite3.connect(path / "run.db", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _begin(path: Path, database: sqlite3.Connection, config: str) -> int:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found != (SCHEMA if tables else 0):
        raise StoreIncompatible(
            f"{path / 'run.db'} is of schema {found}, this greenroom reads schema {SCHEMA}; "
            "read it with the greenroom that wrote it, or choose another directory"
        )
    with transaction(database):
        if not tables:
            for statement in TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version={SCHEMA}")
        start = (config, _version(), datetime.now(UTC).isoformat())
        return database.execute("INSERT INTO run (config, version, created) VALUES (?, ?, ?)", start).lastrowid or 0


def _version() -> str:
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"
