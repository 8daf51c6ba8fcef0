"""The loads that the kernel, its floor and the peers are put under: the same for all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

Make = Callable[[int], Any]
"""Makes a message."""
Put = Callable[[Any], object]
Ask = Callable[[Any], Awaitable[int]]
Turn = Callable[[], Awaitable[None]]
Client = Callable[[], Awaitable[None]]


class Metal(Protocol):
    """What a load needs of its event loop."""

    async def turn(self) -> None:
        """Let the others run."""
        ...

    async def together(self, works: Iterable[Client]) -> None:
        """Run all of them as tasks, and wait for the last."""
        ...


CROWD = 1000
_BURST = 1000
_SMALL_BURST = 10


def teller(put: Put, make: Make, turn: Turn, n: int, burst: int = _BURST) -> Client:
    """Sends ``n`` messages, and lets the others have a turn after each ``burst`` of them."""

    async def client() -> None:
        for start in range(0, n, burst):
            for i in range(start, start + burst):
                put(make(i))
            await turn()

    return client


def tellers(put: Put, make: Make, turn: Turn, n: int) -> list[Client]:
    """A thousand of them with small bursts, ``n`` messages together."""
    return [teller(put, make, turn, n // CROWD, _SMALL_BURST) for _ in range(CROWD)]


def asker(ask: Ask, make: Make, n: int) -> Client:
    """Asks ``n`` times, each time waiting for the answer."""

    async def client() -> None:
        for i in range(n):
            await ask(make(i))

    return client


def askers(ask: Ask, make: Make, n: int) -> list[Client]:
    """A thousand of them, ``n`` questions together."""
    return [asker(ask, make, n // CROWD) for _ in range(CROWD)]
