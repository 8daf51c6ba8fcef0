"""The results of a run on disk: announced means committed.

A run is a directory: ``run.db`` (SQLite, the truth), ``outcomes.jsonl`` (one summary a line, made from it, for
``tail -f``) and ``lock``. SQLite runs with a write-ahead log and ``synchronous=FULL``, so a commit that returned
survives the engine's SIGKILL and the machine's power loss.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, Self

from greenroom.actors.records import Lease, Record
from greenroom.engine._storefiles import lock, sync
from greenroom.engine._storelines import Lines
from greenroom.engine._storerows import KEPT, PAGE, decode, transaction
from greenroom.engine._storeschema import begin
from greenroom.engine._storewrites import prepare
from greenroom.engine.store_errors import (
    StoreChanged,
    StoreError,
    StoreIncompatible,
    StoreLocked,
    StoreUnavailable,
    guard,
)
from greenroom.engine.submission import Submission
from greenroom.messages.outcome import Outcome

__all__ = [
    "NoStore",
    "RunStore",
    "Store",
    "StoreChanged",
    "StoreError",
    "StoreIncompatible",
    "StoreLocked",
    "StoreUnavailable",
]

_BUSY_SECONDS = 10.0


class Store(Protocol):
    """What survives the engine. Synchronous; all methods may be called from any thread."""

    epoch: int
    """Which start of the run this is, from 1."""

    def commit(self, records: Sequence[Record]) -> None:
        """Keep all of them or none. An outcome that was committed before is left as it is."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class NoStore:
    """Keeps nothing: whoever iterates has the only copy."""

    epoch = 1

    def commit(self, records: Sequence[Record]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class RunStore:
    """One run's directory, held by one engine at a time."""

    def __init__(
        self, path: Path, database: sqlite3.Connection, lines: Lines, epoch: int, resources: ExitStack
    ) -> None:
        """Use `open`."""
        self.path = path
        self.epoch = epoch
        self._database = database
        self._lines = lines
        self._resources = resources
        self._turn = threading.Lock()

    @classmethod
    def open(cls, path: Path | str, *, config: str | None = None, allow: Collection[str] = ()) -> RunStore:
        """Make the directory, or go on with the run in it.

        Args:
            path: The run's directory; parents are made.
            config: The engine's configuration as JSON, recorded with this start; by default the last one's.
            allow: Fields of it that may differ from those of the last start.

        Raises:
            StoreLocked: Another engine works on it.
            StoreChanged: The configuration differs.
            StoreIncompatible: It holds something else.
            StoreUnavailable: It cannot be read or written.
        """
        path = Path(path).absolute()
        with guard(path), ExitStack() as resources:
            path.mkdir(parents=True, exist_ok=True)
            resources.callback(lock(path))
            database = connect(path)
            resources.callback(database.close)
            epoch = begin(path, database, config, allow)
            lines = Lines(path, database)
            resources.callback(lines.close)
            sync(path)
            return cls(path, database, lines, epoch, resources.pop_all())

    @property
    def lagging(self) -> bool:
        """``outcomes.jsonl`` could not be written; the next commit or `open` makes up for it."""
        return self._lines.lagging

    def commit(self, records: Sequence[Record]) -> None:
        """Keep all of them or none, durably. An outcome that is there already is left as it is.

        An outcome takes the place of one of the same group and sample that was cancelled.

        Raises:
            StoreUnavailable: Nothing was kept; try again once the cause is gone.
        """
        writes = [prepare(record, self.epoch) for record in records]
        with self._mine() as database:
            with transaction(database):
                for write in writes:
                    write(database)
            self._lines.follow()

    def outcomes(self) -> Iterator[Outcome]:
        """Everything committed, in order of commit. Reads page by page, so it never holds up the write-ahead log.

        Raises:
            StoreUnavailable: The database cannot be read.
        """
        return self._pages(PAGE)

    def kept(self, run: str) -> Iterator[Outcome]:
        """Its outcomes up to now that nobody has acknowledged; not those that were cancelled. Like `outcomes`."""
        with self._mine() as database:
            (last,) = database.execute("SELECT coalesce(max(seq), 0) FROM outcome").fetchone()
        return self._pages(KEPT, run, last)

    def done(self) -> set[tuple[str, int]]:
        """Task id and sample of everything committed."""
        with self._mine() as database:
            return set(database.execute("SELECT task_id, sample FROM outcome WHERE superseded = 0"))

    def submission(self, run: str) -> Submission | None:
        """What was submitted under this name, and what came of it."""
        with self._mine() as database:
            return Submission.read(database, run)

    def leases(self) -> list[Lease]:
        """What engines that are no more have not released."""
        query = "SELECT id, backend, handle, rollout_id, attempt, deadline FROM lease WHERE epoch < ?"
        names = ("id", "backend", "handle", "rollout_id", "attempt", "deadline")
        with self._mine() as database:
            rows = database.execute(query, (self.epoch,)).fetchall()
        return [Lease(**dict(zip(names, row, strict=True))) for row in rows]

    def settle(self) -> None:
        """Release everything this engine has leased: nothing of it is left."""
        with self._mine() as database:
            database.execute("DELETE FROM lease WHERE epoch = ?", (self.epoch,))

    def close(self) -> None:
        """Let another engine have it. Idempotent."""
        with self._turn:
            self._resources.close()

    def __enter__(self) -> Self:
        """Close on leaving."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _pages(self, query: str, *values: object) -> Iterator[Outcome]:
        seq = 0
        while True:
            with self._mine() as database:
                page = database.execute(query, (seq, *values)).fetchall()
            if not page:
                return
            for seq, rollout_id, codec, blob in page:  # noqa: B007 - the last one is where the next page begins
                yield decode(self.path, rollout_id, codec, blob)

    @contextmanager
    def _mine(self) -> Generator[sqlite3.Connection]:
        """The database, for one thread at a time."""
        with guard(self.path), self._turn:
            yield self._database


def connect(path: Path) -> sqlite3.Connection:
    """Open a run's database. Raises `sqlite3.Error`."""
    # One caller at a time, but a worker thread is not always the same thread.
    database = sqlite3.connect(path / "run.db", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        database.close()
        raise
    return database
