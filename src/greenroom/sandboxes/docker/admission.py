"""How many containers are being made at once: as many as their engine can take, found out by how long it takes.

An engine spends far more on a container than we do. Beyond some two for each core, more at once only make each other
late, until all of them look stuck. So while making one takes much longer than it has been seen to take, fewer are
made at once; when it is quick again, one more each time. Those who wait do so before their container exists.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from random import uniform

MOST = 2 * (os.cpu_count() or 1)
_LEAST = 1
_PATIENCE_SECONDS = 2.0
"""However quick it has been, taking less than this is no sign of trouble."""
_SLOWER = 4.0
"""So many times the quickest is."""
_JITTER_SECONDS = 0.05
_SMOOTH = 0.2


class Admission:
    """Turns to make a container. Whoever got one gives it back."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.limit = most
        """How many are let in at once, at the moment."""
        self.busy = 0
        self.seconds = 0.0
        """What making one has taken lately."""
        self._quickest = float("inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    async def turn(self) -> None:
        """Wait for a turn. Cancelled, it has taken none."""
        if self.busy >= self.limit or self._waiting:
            await self._queue()
        else:
            self.busy += 1
        if self.busy > 1:
            await self._jitter()

    def done(self, seconds: float | None = None) -> None:
        """Give the turn back; ``seconds`` is what making the container took, if it was made."""
        self.busy -= 1
        if seconds is not None:
            self._learn(seconds)
        while self._waiting and self.busy < self.limit:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.busy += 1
                waiter.set_result(None)

    def _learn(self, seconds: float) -> None:
        self.seconds = seconds if not self.seconds else self.seconds + _SMOOTH * (seconds - self.seconds)
        self._quickest = min(self._quickest, seconds)
        if seconds > max(_PATIENCE_SECONDS, _SLOWER * self._quickest):
            self.limit = max(_LEAST, self.limit // 2)
        else:
            self.limit = min(self.most, self.limit + 1)

    async def _queue(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.done()
            raise

    async def _jitter(self) -> None:
        try:
            # So that those who begin together do not ask for everything together.
            await asyncio.sleep(uniform(0, _JITTER_SECONDS))  # noqa: S311 - no secret
        except asyncio.CancelledError:
            self.done()
            raise
