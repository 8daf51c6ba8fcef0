"""A peer and the kernel in turns, in one process, in the peer's own environment."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable

from _floor_messages import AsyncioMetal
from _kernel_ours import Kernel
from _laps import Run, Samples, laps
from greenroom.kernel import System

Contest = Callable[[Run, Run], Awaitable[None]]


async def _against(tell: Run, call: Run) -> Samples:
    count, tells, calls = (3, 4_000, 2_000) if "--quick" in sys.argv else (7, 16_000, 6_000)
    async with System() as system:
        kernel = await Kernel.start(system, AsyncioMetal())
        told = await laps({"tell": tell, "tell.ours": kernel.tell}, tells, count)
        return told | await laps({"call": call, "call.ours": kernel.call}, calls, count)


def main(peer: Callable[[Contest], Awaitable[None]]) -> None:
    """Run ``peer``, which sets itself up and awaits the contest it is given, and print the figures as JSON."""
    logging.disable(logging.CRITICAL)

    async def contest(tell: Run, call: Run) -> None:
        print(json.dumps(await _against(tell, call)))

    asyncio.run(peer(contest))  # type: ignore[arg-type]
