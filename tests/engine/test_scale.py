"""Many rollouts in one process: what they take while they live, and what they leave."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from greenroom.engine import Engine
from greenroom.specs import Simulated
from tests.engine.playing import an_engine, assert_clean, quick, tasks

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.long,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
    pytest.mark.timeout(120),
]
LIVE = 150
KIBI = 1024


async def rounds(engine: Engine, count: int) -> list[int]:
    """Bytes that are held after each of so many rounds of rollouts, when nothing runs."""
    held: list[int] = []
    for _ in range(count):
        assert len([outcome async for outcome in engine.run(tasks(LIVE))]) == LIVE
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    return held


async def test_memory_is_flat_and_small() -> None:
    """A live rollout, its outcome included, takes less than 110 KiB, and one that is over leaves next to nothing."""
    engine = an_engine(model=quick, sandbox=Simulated(), concurrency=LIVE, deadline=1e6, console=False)
    async with engine:
        await rounds(engine, 1)
        tracemalloc.start()
        try:
            held = await rounds(engine, 3)
            tracemalloc.reset_peak()
            await rounds(engine, 1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert_clean(engine)
    assert (peak - held[-1]) / LIVE < 110 * KIBI
    assert (held[-1] - held[0]) / (2 * LIVE) < KIBI
