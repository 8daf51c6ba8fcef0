"""The kernel's side of each comparison, whomever it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

from _kernel_actors import Ask, Nursery, Phoenix, Pyre, Sink, Tell
from _kernel_load import Metal, asker, askers, teller, tellers
from greenroom.kernel import ChildSpec, Ref, Supervisor, System

SPIN = 20
"""Lives in one turn of a supervisor, which hears of their ends in the next."""


class Kernel:
    """What a started system is asked to do, ``n`` times each. Use `start`."""

    def __init__(self, sink: Ref, plain: Ref, tough: Ref, metal: Metal) -> None:
        self._sink, self._plain, self._tough, self._metal = sink, plain, tough, metal

    @classmethod
    async def start(cls, system: System, metal: Metal) -> Self:
        """Start the actors it needs."""
        sink = await system.start(ChildSpec("sink", Sink))
        plain = await system.start(ChildSpec("plain", Nursery))
        spec = ChildSpec("tough", lambda: Supervisor(intensity=10**9, strategy="dynamic"))
        return cls(sink, plain, await system.start(spec), metal)

    async def tell(self, n: int) -> None:
        """One actor is told by one task."""
        await teller(self._sink.cast, Tell, self._metal.turn, n)()
        await self._sink.call(Ask(0))

    async def call(self, n: int) -> None:
        """One actor is asked by one task, each time with a deadline."""
        await asker(self._sink.call, Ask, n)()

    async def fan_in(self, n: int) -> None:
        """One actor is told by a thousand tasks."""
        await self._metal.together(tellers(self._sink.cast, Tell, self._metal.turn, n))
        await self._sink.call(Ask(0))

    async def callers(self, n: int) -> None:
        """One actor is asked by a thousand tasks."""
        await self._metal.together(askers(self._sink.call, Ask, n))

    async def leaves(self, n: int) -> None:
        """A supervised actor, start to stop."""
        await self._spin(leaf, n)

    async def trees(self, n: int) -> None:
        """A supervisor with five children, up and down."""
        await self._spin(rollout, n)

    async def restarts(self, n: int) -> None:
        """A crash, to the new instance that is ready."""
        pyre = Pyre(n)
        await self._tough.call(Supervisor.StartChild(ChildSpec("phoenix", lambda: Phoenix(pyre))))
        await pyre.cold.wait()
        await self._tough.call(Supervisor.StopChild("phoenix"))

    async def _spin(self, spec: Callable[[], ChildSpec], n: int) -> None:
        for _ in range(0, n, SPIN):
            await self._plain.call(Nursery.Spin(spec, SPIN))


async def crowded(system: System, count: int) -> None:
    """Start so many idle actors under one supervisor, ``/crowd``."""
    crowd = await system.start(ChildSpec("crowd", lambda: Nursery(strategy="dynamic")))
    await crowd.call(Nursery.Fill(count), timeout=math.inf)


def leaf() -> ChildSpec:
    return ChildSpec("leaf", Sink, restart="temporary")


def rollout() -> ChildSpec:
    """A supervisor with five children, declared anew for each, as for every rollout."""
    specs = [ChildSpec(id, Sink) for id in ("mailbox", "sandbox", "agent", "verifier", "recorder")]
    return ChildSpec("rollout", lambda: Supervisor(specs, strategy="one_for_all"), restart="temporary")
