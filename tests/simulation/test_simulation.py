"""Whole trees of actors under seeded faults: what the kernel promises, it keeps.

``GREENROOM_SIMULATION_SECONDS=3600 python -m pytest tests/simulation`` goes on for an hour;
``GREENROOM_SIMULATION_SEED=7`` plays one schedule, which a failure asks for.
"""

from __future__ import annotations

import pytest

from greenroom.testing import BACKENDS, Backend
from tests.simulation import budget, strategy
from tests.simulation.regressions import REGRESSIONS
from tests.simulation.report import report
from tests.simulation.runner import Result, play

AGAIN = 5
"""One schedule in so many is played twice, to see that it goes the same way."""

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_once_broke_holds(name: str, backend: Backend) -> None:
    """A schedule that once broke a promise breaks none any more, and goes the same way each time."""
    result = play(REGRESSIONS[name], backend)
    assert result.broken == ()
    assert play(REGRESSIONS[name], backend).trace == result.trace


@pytest.mark.long
@pytest.mark.timeout(120 + 10 * budget.SECONDS)
def test_every_schedule_keeps_every_promise(backend: Backend) -> None:
    """Whatever goes wrong in a tree, in whatever order, none of P1 to P12 is broken."""
    for seed in budget.schedules():
        plan = strategy.make(seed)
        result = play(plan, backend)
        count(result)
        if result.broken:
            pytest.fail(report(plan, backend, result), pytrace=False)
        if seed % AGAIN == 0:
            assert play(plan, backend).trace == result.trace, (
                f"P12: seed {seed} went two ways: {budget.command(seed, backend)}"
            )


def count(result: Result) -> None:
    """Add to what the summary says."""
    budget.TALLY.schedules += 1
    budget.TALLY.faults += result.faults
    budget.TALLY.broken += len(result.broken)
