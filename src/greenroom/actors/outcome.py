"""How a rollout's records become its one outcome. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from greenroom.actors._boundary import failure
from greenroom.actors.decision import Verdict
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.policy import Cause
from greenroom.messages import AttemptRecord, Outcome


def outcome_of(
    plan: RolloutPlan,
    agent: str,
    verdict: Verdict,
    records: Sequence[AttemptRecord] = (),
    timings: Mapping[str, float] | None = None,
    unsafe: tuple[str, ...] = (),
) -> Outcome:
    """The outcome of a rollout whose last attempt amounts to ``verdict``."""
    phases: Counter[str] = Counter()
    for record in records:
        phases.update({name: seconds for name, seconds in record.timings.items() if name != "total"})
    return Outcome(
        rollout_id=plan.rollout_id,
        task_id=plan.task.id,
        group=plan.group,
        sample=plan.sample,
        agent=agent,
        status=verdict.status,
        reward=verdict.reward,
        reward_valid=verdict.reward_valid,
        fault=verdict.fault,
        attempts=tuple(records),
        timings={**phases, **(timings or {})},
        agent_seconds=sum(record.agent_seconds for record in records),
        model_seconds=sum(record.model_seconds for record in records),
        unsafe=unsafe,
        created=plan.created,
        metadata=plan.task.metadata,
    )


def lost_outcome(plan: RolloutPlan, agent: str, cause: Cause, message: str, kind: str = "") -> Outcome:
    """The outcome of a rollout that could not give one itself."""
    found = failure(cause, message, "cleanup", kind=kind)
    return outcome_of(plan, agent, Verdict(cause=cause, fault=found.fault))


def bare(outcome: Outcome, why: str) -> Outcome:
    """What is left of an outcome that cannot be stored as it is: that it was there, and why there is no more of it."""
    return Outcome(
        rollout_id=outcome.rollout_id,
        task_id=outcome.task_id,
        group=outcome.group,
        sample=outcome.sample,
        agent=outcome.agent,
        status="engine_failed",
        fault=failure("rollout_lost", why, "cleanup", kind="unstorable").fault,
        created=outcome.created,
    )
