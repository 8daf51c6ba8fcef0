"""How fast somebody may go on: the generic cell rate algorithm (ITU-T I.371). Pure."""

from __future__ import annotations


class Pace:
    """A steady rate, and a burst on top of it. Two numbers, whatever happens.

    Args:
        per_second: Units a second in the long run.
        burst: Units at once after a rest.
    """

    __slots__ = ("_burst", "_due", "_interval")

    def __init__(self, per_second: float, burst: float) -> None:
        self._interval = 1.0 / per_second
        self._burst = burst * self._interval
        self._due = float("-inf")

    def wait(self, now: float, units: float = 1.0) -> float:
        """Seconds to wait at ``now`` before taking so many units, which are taken with this."""
        self._due = max(self._due, now) + units * self._interval
        return max(0.0, self._due - now - self._burst)
