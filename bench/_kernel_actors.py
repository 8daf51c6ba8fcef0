"""The actors and messages that the kernel's bench works with, here and in its peers' environments."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from msgspec import Struct

from greenroom.kernel import Actor, Call, ChildSpec, Supervisor, on


class Tell(Struct, frozen=True):
    n: int


class Ask(Call[int], frozen=True):
    n: int


class Burn(Struct, frozen=True):
    pass


class Sink(Actor):
    """Adds up what it is told, and answers what it is asked."""

    def __init__(self) -> None:
        self.total = 0

    async def started(self) -> None:
        """Overridden, so that whoever starts it waits until it is ready, as is usual."""

    @on(Tell)
    def tell(self, message: Tell) -> None:
        self.total += message.n

    @on(Ask)
    def ask(self, message: Ask) -> int:
        return message.n


class Pyre:
    """How often a phoenix has still to burn."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.cold = anyio.Event()


class Phoenix(Actor):
    """Crashes as soon as it is ready, as often as it has to."""

    def __init__(self, pyre: Pyre) -> None:
        self.pyre = pyre

    async def started(self) -> None:
        if self.pyre.left:
            self.ref.cast(Burn())
        else:
            self.pyre.cold.set()

    @on(Burn)
    def burn(self, _: Burn) -> None:
        self.pyre.left -= 1
        raise RuntimeError


class Nursery(Supervisor):
    """Starts and stops children in its own turn, so that nothing but supervision is measured."""

    class Spin(Call[None], frozen=True):
        make: Callable[[], ChildSpec]
        times: int

    class Fill(Call[None], frozen=True):
        count: int

    @on(Spin)
    async def spin(self, message: Spin) -> None:
        for _ in range(message.times):
            spec = message.make()
            await self.start_child(spec)
            await self.stop_child(spec.id)

    @on(Fill)
    async def fill(self, message: Fill) -> None:
        for n in range(message.count):
            await self.start_child(ChildSpec(f"leaf-{n}", Sink, restart="temporary"))
