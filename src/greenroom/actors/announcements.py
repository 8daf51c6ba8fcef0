"""What a run's log says once about its deadlines: how they are shared out, and what they cut short."""

from __future__ import annotations

import structlog

from greenroom.actors.plan import RolloutPlan
from greenroom.actors.shares import Shares, Short, shares_of, short_of

_log = structlog.get_logger(__name__)

_MOST = 32
"""Different shares that are told, and different shortages: tasks may come for ever, each with a deadline of its own."""


class Announcements:
    """Of one run."""

    def __init__(self) -> None:
        self._told: dict[type, set[Shares | Short]] = {Shares: set(), Short: set()}

    def tell(self, plan: RolloutPlan) -> None:
        """A rollout was submitted: say what has not been said."""
        shares = shares_of(plan.task, plan.seconds)
        if self._new(shares):
            _log.info("deadline_shared", **shares.rounded(), task=plan.task.id)
        for short in short_of(plan.task, shares):
            if self._new(short):
                fields = {"deadline": short.deadline, "share": round(short.share, 3), short.what: short.asked}
                _log.warning("deadline_short", **fields, task=plan.task.id, note=str(short))

    def _new(self, what: Shares | Short) -> bool:
        told = self._told[type(what)]
        if what in told or len(told) >= _MOST:
            return False
        told.add(what)
        return True
