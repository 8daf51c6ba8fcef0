"""Thousands of simulated rollouts in one process, for ``engine.py``: CPU beside bare tasks, and memory.

Time is virtual on both sides: nobody waits, and the CPU does the same as in real time. Prints one JSON object, figures
by lap. With ``--quick``, few.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio

from _floor_rollouts import BOOT, TURN, TURNS, rollouts
from _laps import Samples, laps
from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import Simulated, TaskSpec
from greenroom.testing import virtual_backend_options

SPEC = Simulated(boot=BOOT, turn=TURN, turns=TURNS)
_SAMPLE = 250


class Sizes:
    """How much of everything."""

    def __init__(self, quick: bool) -> None:  # noqa: FBT001
        self.count, self.concurrency = (1_000, 500) if quick else (10_000, 2_000)
        self.lap_count, self.lap_concurrency = 500, 250
        self.laps = 3 if quick else 7


async def answer(_: ModelCall) -> Completion:
    """A model that thinks of nothing."""
    return Completion(parts=(Text("ok"),))


def tasks(count: int) -> Iterator[TaskSpec]:
    """As many, made when they are asked for."""
    return (TaskSpec(id=f"t{n}", instruction="go", verify=("true",)) for n in range(count))


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


class Gauge:
    """Memory, looked at after every so many outcomes."""

    def __init__(self) -> None:
        gc.collect()
        self.start = resident()
        self.sizes: list[tuple[int, int]] = []

    def look(self, done: int) -> None:
        """At the memory now."""
        self.sizes.append((done, resident()))

    def slope(self, after: int) -> float:
        """Bytes that each outcome adds once so many have come, by least squares."""
        points = [(done, size) for done, size in self.sizes if done >= after]
        mean = sum(done for done, _ in points) / len(points)
        middle = sum(size for _, size in points) / len(points)
        spread = sum((done - mean) ** 2 for done, _ in points)
        return sum((done - mean) * (size - middle) for done, size in points) / spread if spread else 0.0


async def play(count: int, concurrency: int, look: Callable[[int], object] = lambda _: None) -> None:
    """So many rollouts through an engine of its own."""
    engine = Engine("simulated", model=answer, sandbox=SPEC, concurrency=concurrency, deadline=1e6, console=False)
    done = 0
    async with engine:
        async for outcome in engine.run(tasks(count)):
            if outcome.reward != 1.0:
                raise SystemExit(f"a rollout failed: {outcome}")
            done += 1
            if done % _SAMPLE == 0:
                look(done)


async def measure(sizes: Sizes) -> Samples:
    """Laps beside the floor, and then all of them at once for the memory they take."""
    ours = partial(play, concurrency=sizes.lap_concurrency)
    floor = partial(rollouts, concurrency=sizes.lap_concurrency)
    both = await laps({"floor": floor, "ours": ours}, sizes.lap_count, sizes.laps)
    gauge = Gauge()
    await play(sizes.count, sizes.concurrency, gauge.look)
    most = max(size for _, size in gauge.sizes)
    return {
        "scale": both["ours"],
        "scale.floor": both["floor"],
        "scale.live.bytes": [(most - gauge.start) / sizes.concurrency],
        "scale.outcome.bytes": [gauge.slope(min(2 * sizes.concurrency, sizes.count // 2))],
    }


if __name__ == "__main__":
    found = anyio.run(measure, Sizes("--quick" in sys.argv), backend_options=virtual_backend_options("asyncio"))
    print(json.dumps(found))
