"""Deadlines. One heap for the whole system, one alarm in the event loop for the earliest of them.

A deadline that is not reached, the usual case, costs a push and a flag: no cancel scope, no callback handle.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.kernel._backend import Backend

_COMPACT_ABOVE = 512


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
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            call, timer.call = timer.call, None
            if call is None:
                self._cancelled -= 1
            else:
                call()
        self._alarm = self._heap[0][0] if self._heap else math.inf
        self._backend.alarm(self._alarm)
