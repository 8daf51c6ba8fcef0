"""Slots that are taken, and what by."""

from __future__ import annotations

from collections import Counter

from greenroom.actors.plan import RolloutPlan


class Slots:
    """A slot for each rollout that has begun, or is about to."""

    def __init__(self) -> None:
        self.plans: dict[str, RolloutPlan] = {}
        """By rollout."""
        self.taken: Counter[str] = Counter()
        """Rollouts at once, by what they use."""

    def __len__(self) -> int:
        return len(self.plans)

    def take(self, plan: RolloutPlan) -> None:
        """It has one from now on."""
        self.plans[plan.rollout_id] = plan
        self.taken.update(plan.keys)

    def free(self, rollout_id: str) -> None:
        """It needs none any more. Idempotent."""
        plan = self.plans.pop(rollout_id, None)
        if plan is None:
            return
        for key in plan.keys:
            self.taken[key] -= 1
            if not self.taken[key]:
                del self.taken[key]
