"""Laps: the same work done in turns by all who are compared, so that what disturbs one of them disturbs the others.

Needs the standard library alone, as peers run it in environments of their own.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

Run = Callable[[int], Awaitable[object]]
Samples = dict[str, list[float]]
"""Figures of each contestant, one a lap."""


async def laps(runs: Mapping[str, Run], n: int, count: int) -> Samples:
    """CPU seconds, user and system, for each of ``n`` operations, in each of ``count`` laps.

    All of them begin with a clean heap and run with the collector on, as programs do.
    """
    found: Samples = {name: [] for name in runs}
    for _ in range(count):
        for name, run in runs.items():
            found[name].append(await _cpu(run, n) / n)
    return found


async def _cpu(run: Run, n: int) -> float:
    gc.collect()
    gc.freeze()
    start = time.process_time()
    await run(n)
    seconds = time.process_time() - start
    gc.unfreeze()
    return seconds


def progress(what: str) -> None:
    """Say what is measured now, to whoever watches."""
    print(f"   {what}", file=sys.stderr, flush=True)
