"""Children that a supervisor can do without: their failures are counted apart, and too many of them mean a rest."""

from __future__ import annotations

from msgspec import Struct

from greenroom.kernel._exit import Exit
from greenroom.kernel._restart import Intensity


class Rest(Struct, frozen=True):
    """A child is given up for a while."""

    id: str
    since: float
    until: float
    """On the event loop's clock, as ``since``."""
    restarts: int
    why: str

    def trouble(self, now: float) -> str:
        """Why, and when it is started again."""
        return f"{self.why}; it is started again in {max(0.0, self.until - now):.0f} s"


class Spare(Struct, eq=False):
    """The failures of one such child."""

    window: Intensity
    rest: Rest | None = None
    """While it is given up."""

    def give_up(self, id: str, exit: Exit, restarts: int, now: float, seconds: float) -> Rest:
        """It has failed once too often; what it does afterwards is counted afresh."""
        window = self.window
        failures = "1 failure" if window.recent == 1 else f"{window.recent} failures"
        why = f"{failures} within {window.period:g} s, the last one {exit}"
        self.window = Intensity(window.limit, window.period)
        self.rest = Rest(id, now, now + seconds, restarts, why)
        return self.rest
