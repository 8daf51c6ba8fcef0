"""The floor of the store: a SQLite group commit, as durable as ours, of bytes that somebody else has made."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self

Row = tuple[str, bytes]


class Table:
    """One table with a row for each outcome, written ahead and synced as ours is."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE IF NOT EXISTS kept (id TEXT PRIMARY KEY, bytes BLOB) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def commit(self, rows: Sequence[Row]) -> None:
        """All of them, in one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO kept VALUES (?, ?)", rows)
        self._database.execute("COMMIT")


class Journal:
    """What comes while a commit runs goes into the next one."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._come = asyncio.Event()

    async def keep(self, row: Row) -> None:
        """Return when it is durable."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        self._come.set()
        await future

    async def run(self) -> None:
        """Commit, until cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            batch, self._waiting = self._waiting, []
            await asyncio.to_thread(self._table.commit, [row for row, _ in batch])
            for _, future in batch:
                future.set_result(None)
