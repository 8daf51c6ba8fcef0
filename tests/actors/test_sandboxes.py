"""The reaper of sandboxes, and the leases it works by."""

from __future__ import annotations

import anyio
import pytest

from greenroom.specs import Simulated
from tests.engine.playing import an_engine, backend, stage, tasks

pytestmark = pytest.mark.anyio


async def test_a_reaper_that_restarts_during_a_boot_knows_of_the_sandbox() -> None:
    """A sandbox is closed even if the reaper was being restarted when it was leased, and its owner is killed later."""
    engine = an_engine(sandbox=Simulated(boot=5.0), concurrency=1, attempts=1)
    async with engine, anyio.create_task_group() as group:
        system = engine.system
        system.kill(system.lookup("/engine/sandboxes"))
        outcomes = engine.run(tasks(1))
        group.start_soon(anext, outcomes)
        # The very moment in which the reaper is dead and the lease is written is hard to hit from outside: what counts
        # is that a reaper which starts while a boot is under way watches the owner.
        await anyio.sleep(2.0)
        system.kill(system.lookup("/engine/sandboxes"))
        await anyio.sleep(10.0)
        assert backend(engine).live == 1
        system.kill(system.lookup("/engine/rollouts/r-000001/attempt-1/sandbox"))
        await anyio.sleep(1.0)
        assert backend(engine).live == 0
        assert not stage(engine).leases
        group.cancel_scope.cancel()
        await outcomes.aclose()
