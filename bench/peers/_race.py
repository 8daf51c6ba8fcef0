"""A peer against the kernel, taking turns in one process, in the peer's own environment."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable

from _actors import Ask, Sink
from _load import asker, teller
from _report import Run, race
from greenroom.kernel import ChildSpec, System


async def turn() -> None:
    await asyncio.sleep(0)


async def _against(tell: Run, call: Run) -> dict[str, float]:
    quick = "--quick" in sys.argv
    rounds, tells, calls = (2, 4_000, 2_000) if quick else (5, 20_000, 10_000)
    async with System() as system:
        ref = await system.start(ChildSpec("sink", Sink))

        async def our_tell(n: int) -> None:
            await teller(ref.cast, turn, n, n)()
            await ref.call(Ask(0))

        async def our_call(n: int) -> None:
            await asker(ref.call, n)()

        told = await race({"peer": tell, "ours": our_tell}, tells, rounds)
        asked = await race({"peer": call, "ours": our_call}, calls, rounds)
    return {
        "tell": told["peer"],
        "call": asked["peer"],
        "tell_ratio": told["peer"] / told["ours"],
        "call_ratio": asked["peer"] / asked["ours"],
    }


Contest = Callable[[Run, Run], Awaitable[None]]


def main(peer: Callable[[Contest], Awaitable[None]]) -> None:
    """Run ``peer``, which sets itself up and awaits the contest it is given, and print the figures as JSON."""
    logging.disable(logging.CRITICAL)

    async def contest(tell: Run, call: Run) -> None:
        print(json.dumps(await _against(tell, call)))

    asyncio.run(peer(contest))  # type: ignore[arg-type]
