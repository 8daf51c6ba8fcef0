"""P10: whatever happens, stopping a child and leaving the system take no longer than their budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.kernel._childspec import Grace

if TYPE_CHECKING:
    from tests.simulation.journal import Journal

_EPSILON = 1e-3


class Budgets:
    """How long things took."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def left(self, began: float) -> None:
        """The system is gone. After its budget all are killed brutally, and fenced when they resist."""
        plan = self._journal.plan
        self._within(began, plan.shutdown + 2 * plan.fence_after, "leaving the system")

    def stopped(self, name: str, began: float, grace: Grace) -> None:
        """A child is gone: struck after its grace, struck again while it cleans up, then fenced."""
        patience = 0.0 if grace == "brutal" else grace
        self._within(began, patience + 2 * self._journal.plan.fence_after, f"stopping {name}")

    def asked(self, what: str, began: float, timeout: float) -> None:
        """A supervisor's answer has come, or not."""
        self._within(began, timeout * (1 + 1 / 32), what)

    def _within(self, began: float, budget: float, what: str) -> None:
        took = self._journal.now() - began
        if took > budget + _EPSILON:
            self._journal.breach("P10", f"{what} took {took:g} s, {budget:g} s are allowed")
