"""One lap of the kernel's bench: every row on one event loop, in a process of its own, which `kernel.py` starts.

    python bench/_lap.py asyncio|uvloop|trio|memory [--quick]

Prints one JSON object of figures: CPU seconds, bytes, or bare metal's time over ours.
"""

from __future__ import annotations

import gc
import json
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from _actors import Ashes, Ask, Nursery, Phoenix, Sink, Tell
from _load import Client, asker, askers, teller, tellers
from _raw import AsyncioMetal, Metal, Queue, TrioMetal
from _report import Run, race
from greenroom.kernel import ChildSpec, Ref, Supervisor, System

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}

Serve = Callable[[Queue, int], Client]
Clients = Callable[[Callable[..., Any], Callable[..., Any], int], list[Client]]
SPIN = 20
"""Lives in one turn of a supervisor, which hears of their ends in the next."""


class Sizes:
    """How much of everything."""

    def __init__(self, *, quick: bool) -> None:
        self.rounds = 2 if quick else 5
        self.tells = 20_000 if quick else 100_000
        self.calls = 4_000 if quick else 20_000
        self.crowd = 20_000 if quick else 50_000
        self.lives = 300 if quick else 1_000
        self.actors = 10_000
        self.idle = (10_000,) if quick else (10_000, 100_000)


# Bare metal's side of a race: a task that takes from a queue.


def hear(queue: Queue, n: int) -> Client:
    """Takes ``n`` messages and adds them up."""

    async def server() -> None:
        total = 0
        for _ in range(n):
            message: Tell = await queue.get()
            total += message.n

    return server


def answer(queue: Queue, n: int) -> Client:
    """Takes ``n`` questions and answers them."""

    async def server() -> None:
        for _ in range(n):
            message, slot = await queue.get()
            queue.reply(slot, message.n)

    return server


def contestants(metal: Metal, ref: Ref, serve: Serve, clients: Clients) -> dict[str, Run]:
    """The same clients at a bare queue and at an actor."""

    async def raw(n: int) -> None:
        queue = metal.queue()
        await metal.together([serve(queue, n), *clients(queue.put, queue.ask, n)])

    async def ours(n: int) -> None:
        await metal.together(clients(ref.cast, ref.call, n))
        await ref.call(Ask(0))

    return {"raw": raw, "ours": ours}


async def messages(metal: Metal, system: System, sizes: Sizes) -> dict[str, float]:
    """Casts and calls, one to one and by the thousand."""
    ref = await system.start(ChildSpec("sink", Sink))
    turn = metal.turn
    loads: dict[str, tuple[Serve, Clients, int]] = {
        "tell": (hear, lambda put, _, n: [teller(put, turn, n)], sizes.tells),
        "fan_in": (hear, lambda put, _, n: tellers(put, turn, n), sizes.crowd),
        "call": (answer, lambda _, ask, n: [asker(ask, n)], sizes.calls),
        "callers": (answer, lambda _, ask, n: askers(ask, n), sizes.crowd),
    }
    found: dict[str, float] = {}
    for name, (serve, clients, n) in loads.items():
        best = await race(contestants(metal, ref, serve, clients), n, sizes.rounds)
        found |= {f"{name}_raw": best["raw"], name: best["ours"], f"{name}_ratio": best["raw"] / best["ours"]}
    return found


# Supervision.


def leaf() -> ChildSpec:
    return ChildSpec("leaf", Sink, restart="temporary")


def rollout() -> ChildSpec:
    """A supervisor with five children, declared anew for each, as for every rollout."""
    specs = [ChildSpec(id, Sink) for id in ("mailbox", "sandbox", "agent", "verifier", "recorder")]
    return ChildSpec("rollout", lambda: Supervisor(specs, strategy="one_for_all"), restart="temporary")


async def lives(system: System, sizes: Sizes) -> dict[str, float]:
    """Up and down, and up again after a crash."""
    plain = await system.start(ChildSpec("plain", Nursery))
    tough = await system.start(ChildSpec("tough", lambda: Supervisor(intensity=10**9, strategy="dynamic")))

    async def leaves(n: int) -> None:
        for _ in range(0, n, SPIN):
            await plain.call(Nursery.Spin(leaf, SPIN))

    async def trees(n: int) -> None:
        for _ in range(0, n, SPIN):
            await plain.call(Nursery.Spin(rollout, SPIN))

    async def restarts(n: int) -> None:
        ashes = Ashes(n)
        await tough.call(Supervisor.StartChild(ChildSpec("phoenix", lambda: Phoenix(ashes))))
        await ashes.cold.wait()
        await tough.call(Supervisor.StopChild("phoenix"))

    found: dict[str, float] = {}
    for run in (leaves, trees, restarts):
        best = await race({run.__name__: run}, sizes.lives, sizes.rounds)
        found[run.__name__] = best[run.__name__]
    return found


async def snapshots(system: System, sizes: Sizes) -> dict[str, float]:
    """The whole tree as rows."""
    crowd = await system.start(ChildSpec("crowd", lambda: Nursery(strategy="dynamic")))
    await crowd.call(Nursery.Fill(sizes.actors), timeout=math.inf)

    async def looks(n: int) -> None:
        for _ in range(n):
            system.tree()

    best = await race({"snapshot": looks}, 1, sizes.rounds)
    await system.stop_child("crowd")
    return best


async def lap(metal: Metal, sizes: Sizes) -> dict[str, float]:
    """Every row."""
    async with System() as system:
        return await messages(metal, system, sizes) | await lives(system, sizes) | await snapshots(system, sizes)


# Memory.


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def memory(sizes: Sizes) -> dict[str, float]:
    """What an idle actor adds to the resident set, ``started`` and supervised, for so many of them."""
    found: dict[str, float] = {}
    async with System() as system:
        for count in sizes.idle:
            crowd = await system.start(ChildSpec(f"crowd-{count}", lambda: Nursery(strategy="dynamic")))
            gc.collect()
            before = resident()
            await crowd.call(Nursery.Fill(count), timeout=math.inf)
            gc.collect()
            found[f"idle_{count}"] = (resident() - before) / count
    return found


def main() -> None:
    loop, quick = sys.argv[1], "--quick" in sys.argv
    logging.getLogger("greenroom").setLevel(logging.CRITICAL)
    sizes = Sizes(quick=quick)
    if loop == "memory":
        found = anyio.run(memory, sizes)
    else:
        metal: Metal = TrioMetal() if loop == "trio" else AsyncioMetal()
        found = anyio.run(lap, metal, sizes, **LOOPS[loop])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
