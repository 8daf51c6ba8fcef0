"""A rollout's tree, struck at its first step, at its second, and so on to its last: nothing is left, no call hangs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from greenroom.testing import BACKENDS, Backend
from tests.simulation import rollout
from tests.simulation.plan import Fault, Plan
from tests.simulation.runner import play

UNTOUCHED = Plan(seed=0, tree=(), leave=200.0)

STRIKES = {
    "everything is cancelled": Fault("cancel_step"),
    "the actor at that step is killed": Fault("kill_step"),
    "the rollout is killed": Fault("kill_step", rollout.ROLLOUT),
    "the engine is killed": Fault("kill_step", rollout.ENGINE),
    "the task at that step is cancelled by a stranger": Fault("foreign_step"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rollout_left_alone_has_its_outcome(backend: Backend) -> None:
    """Without a strike the caller gets the outcome, and the tree goes through all its phases."""
    result = play(UNTOUCHED, backend, rollout.perform)
    assert result.broken == ()
    assert any(line.endswith("outcome 1.0") for line in result.trace)


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_strike_at_any_step_leaves_nothing_behind(backend: Backend, strike: str) -> None:
    """P11: struck at whichever step, each call ends exactly once and in time, nothing is left, and the system lives."""
    steps = play(UNTOUCHED, backend, rollout.perform).steps
    for nth in range(1, steps + 1):
        plan = replace(UNTOUCHED, faults=(replace(STRIKES[strike], nth=nth),))
        result = play(plan, backend, rollout.perform)
        failed = [line for line in result.trace if "SystemFailed" in line]
        assert (result.broken, failed, result.faults) == ((), [], 1), f"struck at step {nth} of {steps}"
