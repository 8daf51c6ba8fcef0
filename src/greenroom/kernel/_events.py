"""Lifecycle events, and the bounded subscriptions to them.

Nobody who listens slows down what is listened to: a subscription that is full drops its oldest event and counts it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Self

from msgspec import Struct

if TYPE_CHECKING:
    from greenroom.kernel._backend import Backend
    from greenroom.kernel._system import System

EventKind = Literal[
    "started",
    "stopped",
    "crashed",
    "restarting",
    "given_up",
    "dead_letter",
    "cleanup_failed",
    "zombie",
    "high_water",
    "frozen",
    "loop_held",
]


class Event(Struct, frozen=True):
    """Something that happened to an actor."""

    kind: EventKind
    path: str
    detail: str
    at: float
    """Seconds on the event loop's clock."""


class Subscription:
    """A bounded stream of events. Iterate it, and leave its ``with`` block to end it."""

    def __init__(self, system: System, backend: Backend, limit: int) -> None:
        self._system = system
        self.waiter: Any = None
        self._backend = backend
        self._events: deque[Event] = deque()
        self._limit = limit
        self._open = True
        self.missed = 0
        """Events dropped because nobody read them in time."""

    def put(self, event: Event) -> None:
        """Called by the system."""
        if len(self._events) >= self._limit:
            self._events.popleft()
            self.missed += 1
        self._events.append(event)
        self._backend.wake(self)

    def take(self) -> list[Event]:
        """All that is there now, without waiting."""
        events = list(self._events)
        self._events.clear()
        return events

    def close(self) -> None:
        """End it; iteration stops after what is there already."""
        self._open = False
        self._system.unsubscribe(self)
        self._backend.wake(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if not self._open:
                raise StopAsyncIteration
            await self._backend.park(self)
        return self._events.popleft()
