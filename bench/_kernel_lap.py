"""The kernel on one event loop beside its floor, in a process of its own, which `kernel.py` starts.

    python bench/_kernel_lap.py asyncio|uvloop|trio|memory [--quick]

Prints one JSON object: figures by lap, CPU seconds or bytes.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import trio

from _floor_lives import AsyncioLife, Crowd, Life, Line, copied, leaves, lines, restarts, trees
from _floor_messages import Ask, AsyncioMetal, Metal, Queue, Tell, Work, answer, hear
from _floor_trio import TrioLife, TrioMetal
from _kernel_load import Client, asker, askers, teller, tellers
from _kernel_ours import Kernel, crowded
from _laps import Run, Samples, laps
from greenroom.kernel import System

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


class Sizes:
    """How much of everything: laps, and operations in each."""

    def __init__(self, *, quick: bool) -> None:
        self.laps = 3 if quick else 9
        self.n = {"tell": 50_000, "fan_in": 20_000, "call": 8_000, "callers": 20_000}
        self.n |= {"leaves": 400, "trees": 400, "restarts": 400, "snapshot": 1}
        self.actors = 10_000
        self.idle = 10_000


def floors(metal: Metal, make: Callable[[], Life], rows: list[Line]) -> dict[str, Run]:
    """Each of the kernel's runs, without the kernel."""

    def passed(serve: Callable[[Queue, int], Work], clients: Callable[[Queue, int], list[Client]]) -> Run:
        async def run(n: int) -> None:
            queue = metal.queue()
            await metal.together([serve(queue, n), *clients(queue, n)])

        return run

    async def snapshot(n: int) -> None:
        for _ in range(n):
            copied(rows)

    return {
        "tell": passed(hear, lambda queue, n: [teller(queue.put, Tell, metal.turn, n)]),
        "fan_in": passed(hear, lambda queue, n: tellers(queue.put, Tell, metal.turn, n)),
        "call": passed(answer, lambda queue, n: [asker(queue.ask, Ask, n)]),
        "callers": passed(answer, lambda queue, n: askers(queue.ask, Ask, n)),
        "leaves": partial(leaves, make),
        "trees": partial(trees, make),
        "restarts": partial(restarts, make),
        "snapshot": snapshot,
    }


@asynccontextmanager
async def lives(loop: str) -> AsyncGenerator[Callable[[], Life]]:
    """What makes bare lives on this loop."""
    if loop != "trio":
        yield AsyncioLife
        return
    async with trio.open_nursery() as nursery:
        yield partial(TrioLife, nursery)


async def lap(loop: str, sizes: Sizes) -> Samples:
    """Every row, the kernel and its floor in turns."""
    metal: Metal = TrioMetal() if loop == "trio" else AsyncioMetal()
    found: Samples = {}
    async with System() as system, lives(loop) as make:
        kernel = await Kernel.start(system, metal)

        async def snapshot(n: int) -> None:
            for _ in range(n):
                system.tree()

        for name, floor in floors(metal, make, lines(sizes.actors)).items():
            if name == "snapshot":
                await crowded(system, sizes.actors)
            ours: Run = snapshot if name == "snapshot" else getattr(kernel, name)
            both = await laps({f"{name}.floor": floor, name: ours}, sizes.n[name], sizes.laps)
            found |= both
    return found


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def memory(sizes: Sizes) -> Samples:
    """What an idle actor, ``started`` and supervised, adds to the resident set, and what a bare task and deque add."""
    bare = Crowd()
    async with System() as system:
        before = resident()
        await bare.fill(sizes.idle)
        between = resident()
        await crowded(system, sizes.idle)
        after = resident()
        await bare.leave()
    return {
        "idle.bytes": [(after - between) / sizes.idle],
        "idle.floor.bytes": [(between - before) / sizes.idle],
    }


def main() -> None:
    loop, quick = sys.argv[1], "--quick" in sys.argv
    logging.getLogger("greenroom").setLevel(logging.CRITICAL)
    sizes = Sizes(quick=quick)
    found = anyio.run(memory, sizes) if loop == "memory" else anyio.run(lap, loop, sizes, **LOOPS[loop])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
