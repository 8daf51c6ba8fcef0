"""Every decision of a supervisor. No await, no clock, no log: shells obey.

The rules are those of OTP's ``supervisor``:

===========  ================  ==================
restart      after a normal    after an abnormal
             exit              exit
===========  ================  ==================
permanent    restart           restart
transient    keep the spec     restart
temporary    forget the spec   forget the spec
===========  ================  ==================

============  ==================================================================
strategy      stopped right to left, then started left to right, with the failed
============  ==================================================================
one_for_one   nobody else
dynamic       nobody else
rest_for_one  those started after it
one_for_all   all others
============  ==================================================================

One failure is one restart, however many siblings it takes along; a restart that fails to start a child is a further
one. The (intensity + 1)-th restart within the period makes the supervisor give up.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from greenroom.kernel._exit import Exit

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "dynamic"]
Restart = Literal["permanent", "transient", "temporary"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
Verdict = Literal["restart", "keep", "forget"]


def verdict(restart: Restart, exit: Exit) -> Verdict:
    """What becomes of a child that ended by itself."""
    match restart:
        case "permanent":
            return "restart"
        case "transient":
            return "restart" if exit.abnormal else "keep"
        case "temporary":
            return "forget"


def affected(strategy: Strategy, ids: Sequence[str], failed: str) -> Sequence[str]:
    """Ids to stop, right to left, and start again, left to right; the failed one among them."""
    at = list(ids).index(failed)
    match strategy:
        case "one_for_one" | "dynamic":
            return ids[at : at + 1]
        case "rest_for_one":
            return ids[at:]
        case "one_for_all":
            return ids


def shuts_down(mode: AutoShutdown, *, significant: bool, others: int) -> bool:
    """Whether the end of a child that is not restarted ends its supervisor.

    ``others`` counts the significant children that still live.
    """
    match mode:
        case "never":
            return False
        case "any_significant":
            return significant
        case "all_significant":
            return significant and others == 0


class Intensity:
    """The window of restarts."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self.period = period
        self._times: deque[float] | None = None
        """Made with the first restart: most supervisors never see one."""

    def admit(self, now: float) -> bool:
        """Count one restart at ``now``; False if it is one too many."""
        times = self._times = deque() if self._times is None else self._times
        while times and times[0] < now - self.period:
            times.popleft()
        times.append(now)
        return len(times) <= self.limit

    @property
    def recent(self) -> int:
        """Restarts in the window at the last count."""
        return len(self._times or ())


class Backoff(Struct, frozen=True):
    """How long to wait before a restart: ``first * factor ** (n - 1)`` for the n-th in the window, at most ``limit``.

    ``jitter`` is the share by which that may be shortened at random, so that a thousand do not come back at once.
    """

    first: float = 0.1
    factor: float = 2.0
    limit: float = 30.0
    jitter: float = 0.5

    def delay(self, restarts: int, rng: random.Random) -> float:
        """Seconds to wait before restart number ``restarts``, counted from 1."""
        # An exponent past 64 only overflows; the limit was reached long before.
        full = min(self.limit, self.first * self.factor ** min(restarts - 1, 64))
        return full * (1 - self.jitter * rng.random())
