"""The tree of one rollout: its attempts, one after the other."""

from __future__ import annotations

from functools import partial

from greenroom.actors.plan import RolloutPlan
from greenroom.actors.rollout import Rollout
from greenroom.actors.stage import Stage
from greenroom.kernel import ChildSpec, Ref
from greenroom.supervisors.attempt import attempt


def rollout(stage: Stage, plan: RolloutPlan, run: Ref) -> ChildSpec:
    """A rollout that gives its outcome to ``run``. Never restarted: a second life would be a second outcome."""
    start = partial(Rollout, plan, stage.agent.name, stage.board, run, partial(attempt, stage))
    return ChildSpec(plan.rollout_id, start, restart="temporary")
