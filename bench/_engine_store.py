"""Outcomes through the store beside a SQLite group commit of the same bytes: ``_engine_store.py [--quick]``.

Prints one JSON object: CPU seconds of keeping one outcome of eight turns, by lap.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path

from _floor_store import Table
from _interception_export import session
from _laps import Samples, laps
from greenroom.engine.store import RunStore
from greenroom.messages import AttemptRecord, Outcome, Turn

_TURNS = 8
_GROUP = 32


def outcome(number: int, turns: tuple[Turn, ...]) -> Outcome:
    """One that completed."""
    name = f"t{number}"
    attempt = AttemptRecord(number=1, status="completed", turns=turns)
    return Outcome(
        rollout_id=f"r-{number}",
        task_id=name,
        group=name,
        sample=0,
        status="completed",
        reward=1.0,
        attempts=(attempt,),
    )


async def measure(path: Path, *, quick: bool) -> Samples:
    """Both, in turns."""
    turns, numbers = tuple(session(_TURNS)), count()
    with RunStore.open(path / "ours") as store, Table(path / "floor.db") as table:

        async def ours(n: int) -> None:
            for _ in range(0, n, _GROUP):
                store.commit([outcome(next(numbers), turns) for _ in range(_GROUP)])

        await ours(_GROUP)
        with closing(sqlite3.connect(path / "ours" / "run.db")) as database:
            blob: bytes = database.execute("SELECT bytes FROM blob").fetchone()[0]

        async def floor(n: int) -> None:
            for _ in range(0, n, _GROUP):
                table.commit([(f"r-{next(numbers)}", blob) for _ in range(_GROUP)])

        found = await laps({"floor": floor, "ours": ours}, 4 * _GROUP, 3 if quick else 9)
    return {"store": found["ours"], "store.floor": found["floor"], "store.outcome.bytes": [len(blob)]}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-store-") as place:
        print(json.dumps(asyncio.run(measure(Path(place), quick="--quick" in sys.argv))))
