"""What was submitted to a run under one name: the tasks, how often each, and what has its outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from greenroom.engine.changes import Change

_DONE = """
SELECT grp, sample FROM outcome WHERE run = ? AND superseded = 0 AND (status != 'cancelled' OR acknowledged = 1)"""
_ACKNOWLEDGED = """
SELECT grp, count(*) FROM outcome WHERE run = ? AND superseded = 0 AND acknowledged = 1 GROUP BY grp"""


class Submission(Struct, frozen=True, kw_only=True):
    """As it is kept."""

    run: str
    samples: int
    listed: bool
    """The tasks were a list, and these are all; else they came one by one, and these are those that came."""
    tasks: dict[str, str]
    """Task id to what its content is known by, in order."""
    done: frozenset[tuple[str, int]]
    """Group and sample of all that has its outcome. What was cancelled has none, unless that was acknowledged."""
    acknowledged: dict[str, int]
    """Group to how many of its samples were acknowledged, where there are any."""

    @classmethod
    def read(cls, database: sqlite3.Connection, run: str) -> Self | None:
        """From a run's database. Raises `sqlite3.Error`."""
        row = database.execute("SELECT samples, listed FROM submission WHERE run = ?", (run,)).fetchone()
        if row is None:
            return None
        tasks = database.execute("SELECT task_id, hash FROM submitted WHERE run = ? ORDER BY position", (run,))
        done = frozenset(database.execute(_DONE, (run,)))
        acknowledged = dict(database.execute(_ACKNOWLEDGED, (run,)).fetchall())
        return cls(
            run=run,
            samples=row[0],
            listed=bool(row[1]),
            tasks=dict(tasks.fetchall()),
            done=done,
            acknowledged=acknowledged,
        )

    def changes(self, tasks: Mapping[str, str], samples: int) -> list[Change]:
        """How a list of tasks differs from what was submitted."""
        if not self.listed:
            return []
        found: list[Change] = []
        if samples != self.samples:
            found.append(Change("samples", str(self.samples), str(samples)))
        if tasks != self.tasks:
            found.append(Change("tasks", f"{len(self.tasks)} tasks", self._difference(tasks)))
        return found

    def _difference(self, tasks: Mapping[str, str]) -> str:
        kinds = {
            "new": tasks.keys() - self.tasks.keys(),
            "missing": self.tasks.keys() - tasks.keys(),
            "other content": {id for id in tasks.keys() & self.tasks.keys() if tasks[id] != self.tasks[id]},
        }
        shown = "; ".join(f"{kind}: {_some(sorted(ids))}" for kind, ids in kinds.items() if ids)
        return f"{len(tasks)} tasks ({shown})"


def _some(ids: list[str]) -> str:
    return ", ".join(ids) if len(ids) <= 5 else f"{', '.join(ids[:4])} and {len(ids) - 4} more"  # noqa: PLR2004
