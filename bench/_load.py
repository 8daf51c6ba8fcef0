"""The loads that the kernel, bare metal and the peers are put under: the same for all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from _actors import Ask, Tell

Put = Callable[[Tell], object]
Get = Callable[[Ask], Awaitable[int]]
Turn = Callable[[], Awaitable[None]]
Client = Callable[[], Awaitable[None]]

CROWD = 1000
_BURST = 1000
_SMALL_BURST = 10


def teller(put: Put, turn: Turn, n: int, burst: int = _BURST) -> Client:
    """Sends ``n`` messages, and lets the others have a turn after each ``burst`` of them."""

    async def client() -> None:
        for start in range(0, n, burst):
            for i in range(start, start + burst):
                put(Tell(i))
            await turn()

    return client


def tellers(put: Put, turn: Turn, n: int) -> list[Client]:
    """A thousand of them with small bursts, ``n`` messages together."""
    return [teller(put, turn, n // CROWD, _SMALL_BURST) for _ in range(CROWD)]


def asker(ask: Get, n: int) -> Client:
    """Asks ``n`` times, each time waiting for the answer."""

    async def client() -> None:
        for i in range(n):
            await ask(Ask(i))

    return client


def askers(ask: Get, n: int) -> list[Client]:
    """A thousand of them, ``n`` questions together."""
    return [asker(ask, n // CROWD) for _ in range(CROWD)]
