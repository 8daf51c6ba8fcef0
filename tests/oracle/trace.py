"""What is compared: the result of a step, what it started and stopped, and the tree after it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Moment(Struct, frozen=True):
    """One step of a case, on either side."""

    result: str
    events: tuple[str, ...]
    """``start NAME``, ``fail NAME``, ``ignore NAME`` and ``stop NAME REASON``, in order."""
    alive: tuple[str, ...]
    counts: dict[str, tuple[int, int]]
    """Specs and running children of each living supervisor."""

    @classmethod
    def of(cls, step: dict[str, Any]) -> Moment:
        """From the driver's JSON."""
        counts = {name: (specs, active) for name, (specs, active) in step["counts"].items()}
        return cls(step["result"], tuple(step["events"]), tuple(step["alive"]), counts)
