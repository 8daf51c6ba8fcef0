"""How a supervisor starts, stops and restarts one child."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from msgspec import Struct

from greenroom.kernel._mailbox import Overflow
from greenroom.kernel._restart import Restart

if TYPE_CHECKING:
    from greenroom.kernel._actor import Actor

Grace = float | Literal["brutal"]
"""Seconds to stop in order, infinity among them, or no grace at all."""

_WORKER_GRACE = 5.0
_OVERFLOWS = get_args(Overflow)


class ChildSpec(Struct, frozen=True):
    """A child, declared. Checked when it is made; raises `ValueError` naming the field."""

    id: str
    """Its name under the supervisor, and the last part of its path."""
    start: Callable[[], Actor]
    """Makes a fresh actor for each incarnation."""
    restart: Restart = "permanent"
    """``permanent``: always. ``transient``: after abnormal exits. ``temporary``: never, and the spec is forgotten."""
    shutdown: Grace | None = None
    """Seconds it may take to stop in order before it is cancelled; infinity waits, ``"brutal"`` cancels at once.

    By default 5 for workers and infinity for supervisors, whose children have budgets of their own.
    """
    start_timeout: float = 30.0
    """Seconds ``started`` may take; enforced to within a thirty-second of that."""
    lifetime: float = math.inf
    """Seconds after which it ends `TimedOut`."""
    significant: bool = False
    """Its normal end may end the supervisor, see `Supervisor`."""
    mailbox: float = math.inf
    """Messages that may wait in its user lane. Bound it where outsiders write."""
    overflow: Overflow = "fail"
    """What happens to a message too many."""
    rest: float | None = None
    """Set it for a child that its supervisor can do without. Its failures are counted for it alone. When it fails more
    often than the supervisor's intensity allows, it is given up alone, and started again after so many seconds, counted
    afresh. A supervisor starts without it if it does not start. For one_for_one and dynamic supervisors."""

    def __post_init__(self) -> None:
        checks = (
            ("id", bool(self.id) and "/" not in self.id, "a non-empty string without '/'"),
            ("restart", self.restart in ("permanent", "transient", "temporary"), "permanent, transient or temporary"),
            ("shutdown", self.shutdown in (None, "brutal") or _positive(self.shutdown), "seconds, inf or 'brutal'"),
            ("start_timeout", _positive(self.start_timeout), "seconds"),
            ("lifetime", _positive(self.lifetime), "seconds"),
            ("rest", self.rest is None or self._can_rest, "more than 0 seconds, for a child that is restarted"),
            ("significant", not (self.significant and self.restart == "permanent"), "False for a permanent child"),
            ("mailbox", _positive(self.mailbox) and self.mailbox >= 1, "1 or more"),
            ("overflow", self.overflow in _OVERFLOWS, f"one of {', '.join(_OVERFLOWS)}"),
        )
        for name, good, wanted in checks:
            if not good:
                text = f"ChildSpec {self.id!r}: {name}={getattr(self, name)!r} must be {wanted}"
                raise ValueError(text)

    @property
    def _can_rest(self) -> bool:
        rest = self.rest
        return _positive(rest) and rest is not None and 0 < rest < math.inf and self.restart != "temporary"

    def grace(self, actor: Actor) -> Grace:
        """The shutdown budget that applies to this actor."""
        default = math.inf if actor.supervises else _WORKER_GRACE
        return default if self.shutdown is None else self.shutdown


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0
