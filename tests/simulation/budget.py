"""How much is simulated: by default a little, in CI a minute of processor time, by hand as much as one likes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import count

from msgspec import Struct

from greenroom.testing import BACKENDS, Backend

IN_CI = bool(os.environ.get("CI"))
SECONDS = float(os.environ.get("GREENROOM_SIMULATION_SECONDS") or (60 if IN_CI else 10))
"""Seconds of processor time, for all backends together."""

SEED = os.environ.get("GREENROOM_SIMULATION_SEED")
"""The one schedule to replay, instead of all others."""

# In CI the same schedules each time, so that a change is blamed only for what it breaks; elsewhere always new ones.
FIRST = 0 if IN_CI else time.time_ns() // 1_000_000 % 1_000_000_000


class Tally(Struct):
    """What was simulated so far."""

    schedules: int = 0
    faults: int = 0
    broken: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        done = f"{self.schedules:,} schedules, {self.faults:,} faults, {self.broken:,} broken promises"
        return f"{done} in {self.seconds:.0f} s of processor time"


TALLY = Tally()


def schedules() -> Iterator[int]:
    """The seeds to play on one backend, as long as its share of the time is not used up."""
    spent = 0.0
    for seed in count(FIRST) if SEED is None else (int(SEED),):
        began = time.process_time()
        yield seed
        took = time.process_time() - began
        TALLY.seconds += took
        spent += took
        if spent > SECONDS / len(BACKENDS):
            return


def command(seed: int, backend: Backend) -> str:
    """What to type to see it again."""
    return f"GREENROOM_SIMULATION_SEED={seed} python -m pytest tests/simulation/test_simulation.py -k {backend}"
