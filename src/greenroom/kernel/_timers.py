"""Deadlines: one heap for the whole system, one alarm in the event loop for the earliest of them.

Calls have a wheel of their own on top. Their deadlines are nearly never reached, so they need to be cheap rather than
sharp: a call is put into the bucket of all calls that expire at about the same time, and taken out when it is answered.
A bucket is as wide as a power of two, and at most a thirty-second of the time-out. So there are never more than a few
dozen for each octave of time-outs, however many different ones there are.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from greenroom.kernel._backend import Backend

_COMPACT_ABOVE = 512
_WIDTH = 1 / 32
_SHORTEST = 1e-3


class Expiring(Protocol):
    """What the wheel holds."""

    def expire(self) -> None:
        """The time is up."""
        ...


class Timer:
    """One deadline. Cancelling is idempotent and cheap."""

    __slots__ = ("_timers", "call")

    def __init__(self, timers: Timers, call: Callable[[], None]) -> None:
        self._timers = timers
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not fire."""
        if self.call is not None:
            self.call = None
            self._timers.forget()


class Timers:
    """All deadlines of one system."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._heap: list[tuple[float, int, Timer]] = []
        self._number = count()
        self._cancelled = 0
        self._alarm = math.inf
        backend.on_alarm = self._fire

    def after(self, delay: float, call: Callable[[], None]) -> Timer:
        """Call back after ``delay`` seconds; never, if that is infinite. Timers of one instant fire in order."""
        timer = Timer(self, call)
        if delay == math.inf:
            return timer
        when = self._backend.now() + delay
        heapq.heappush(self._heap, (when, next(self._number), timer))
        if when < self._alarm:
            self._alarm = when
            self._backend.alarm(when)
        return timer

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def forget(self) -> None:
        """A timer was cancelled. It stays in the heap until it is due, or until most of the heap is such."""
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].call is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _fire(self) -> None:
        now = self._backend.now()
        try:
            while self._heap and self._heap[0][0] <= now:
                timer = heapq.heappop(self._heap)[2]
                call, timer.call = timer.call, None
                if call is None:
                    self._cancelled -= 1
                else:
                    call()
        finally:  # one that raises is told by the event loop, and does not stop the others
            self._alarm = self._heap[0][0] if self._heap else math.inf
            self._backend.alarm(self._alarm)


class Wheel:
    """Deadlines that may fire up to a thirty-second of their delay late, and cost next to nothing."""

    def __init__(self, backend: Backend, timers: Timers) -> None:
        self._now = backend.now
        self._timers = timers
        self._buckets: dict[tuple[float, float], dict[Expiring, None]] = {}
        """By when they are due and how wide they are."""
        self._current: dict[float, tuple[float, dict[Expiring, None]]] = {}
        """For each delay, the bucket that takes what comes now, and until when it does."""

    def add(self, expiring: Expiring, delay: float) -> dict[Expiring, None]:
        """Have it expire after ``delay`` seconds. Returns its bucket: discard it from there when it is settled."""
        current = self._current.get(delay)
        if current is None or self._now() >= current[0]:
            current = self._open(delay)
        bucket = current[1]
        bucket[expiring] = None
        return bucket

    def _open(self, delay: float) -> tuple[float, dict[Expiring, None]]:
        if len(self._current) > _COMPACT_ABOVE:
            self._current.clear()
        if delay == math.inf:
            current = self._current[delay] = math.inf, {}
            return current
        now = self._now()
        width = 2.0 ** math.floor(math.log2(max(delay, _SHORTEST) * _WIDTH))
        due = (math.floor((now + delay) / width) + 1) * width
        current = self._current[delay] = due - delay, self._bucket(due, width, now)
        return current

    def _bucket(self, due: float, width: float, now: float) -> dict[Expiring, None]:
        bucket = self._buckets.get((due, width))
        if bucket is None:
            bucket = self._buckets[due, width] = {}
            self._timers.after(due - now, lambda: self._expire(due, width))
        return bucket

    def _expire(self, due: float, width: float) -> None:
        for expiring in list(self._buckets.pop((due, width))):
            expiring.expire()
