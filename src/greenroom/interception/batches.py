"""Model calls in batches, for whoever answers many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

import anyio

from greenroom.interception.pending import PendingCall


class Batches(AsyncIterator[list[PendingCall]]):
    """Batches of calls, until their gate is closed. Made by `GateModel.calls`.

    An ``anext`` that is cancelled, at whatever moment, has taken nothing: the next one gets the calls, in their order.

    Args:
        until: Waits for so many calls to take; false once there will be none.
        take: Takes at most so many, at once.
        most: Most calls in a batch.
        linger: Seconds to wait for more once there is one.
    """

    def __init__(
        self,
        until: Callable[[int], Awaitable[bool]],
        take: Callable[[int], list[PendingCall]],
        most: int,
        linger: float,
    ) -> None:
        self._until = until
        self._take = take
        self._most = most
        self._linger = linger

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[PendingCall]:
        while await self._until(1):
            with anyio.move_on_after(self._linger):
                await self._until(self._most)
            # Nothing is awaited once calls are taken, so that nobody can be cancelled with calls in hand.
            if batch := self._take(self._most):
                return batch
        raise StopAsyncIteration
