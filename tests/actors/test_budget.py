from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.budget import share
from greenroom.specs import TaskSpec

SECONDS = st.floats(min_value=0.01, max_value=1e6)
NOW = st.floats(min_value=0.0, max_value=1e6)


def task(verify_timeout: float = 120.0, agent_timeout: float | None = None) -> TaskSpec:
    """A task with something to verify."""
    return TaskSpec(
        id="t", instruction="x", verify=("true",), verify_timeout=verify_timeout, agent_timeout=agent_timeout
    )


@given(SECONDS, SECONDS, NOW)
def test_phases_fit_into_the_deadline(seconds: float, verify_timeout: float, now: float) -> None:
    """The agent ends before verification has to, that before clean-up, and that before the deadline."""
    budget = share(task(verify_timeout), seconds, now)
    assert now <= budget.agent_ends <= budget.work_ends <= budget.ends
    assert abs(budget.ends - now - seconds) < 1e-6 * max(1.0, now)


@given(SECONDS, SECONDS, NOW)
def test_half_of_a_short_deadline_is_for_the_agent(seconds: float, verify_timeout: float, now: float) -> None:
    """However long verification may take, boot, set-up and agent keep half of the time."""
    budget = share(task(verify_timeout), seconds, now)
    assert budget.agent_seconds(now) >= seconds / 2 - 1e-6 * max(1.0, now)


@given(SECONDS, NOW, st.floats(min_value=0.0, max_value=1e6))
def test_no_budget_is_negative(seconds: float, now: float, later: float) -> None:
    """Long after the end there is nothing left, and never less than nothing."""
    budget = share(task(), seconds, now)
    at = now + later
    left = (budget.boot_seconds(at), budget.setup_seconds(at), budget.agent_seconds(at), budget.verify_seconds(at))
    assert min(left) >= 0


def test_a_task_may_ask_for_less() -> None:
    """The task's own limits apply within the deadline, and the deadline within them."""
    budget = share(task(verify_timeout=60, agent_timeout=100), 1000, 0)
    assert budget.agent_seconds(0) == 100
    assert budget.verify_seconds(0) == 60
    assert budget.agent_seconds(budget.agent_ends - 5) == 5
    assert budget.verify_seconds(budget.work_ends - 5) == 5


def test_nothing_to_verify_needs_no_time() -> None:
    """Without verify commands the agent has all but the clean-up's reserve."""
    budget = share(TaskSpec(id="t", instruction="x"), 1000, 0)
    assert budget.agent_seconds(0) == 985


@pytest.mark.parametrize(
    ("agent_timeout", "asked", "fair"),
    [
        (60.0, None, 60.0),
        (None, None, 30.0),
        (90.0, None, 30.0),
        (60.0, 0.5, 30.0),
        (None, 0.5, 30.0),
        (None, 1, 60.0),
        (60.0, 1.0, 60.0),
        (60.0, 0, 0.0),
        (60.0, 10, 10.0),
        (60.0, 1.5, 1.5),
        (60.0, 900, 60.0),
    ],
)
def test_a_fair_share_is_all_of_it_or_what_the_task_says(
    agent_timeout: float | None, asked: float | None, fair: float
) -> None:
    """A number up to 1 is a share of the first attempt's, a greater one seconds; what a deadline leaves counts half."""
    budget = share(task(agent_timeout=agent_timeout), 1000, 0)
    assert budget.fair_seconds(60.0, asked) == fair


def test_an_attempt_can_begin_as_long_as_its_agent_has_its_share() -> None:
    """What boot and set-up will take is left out of what there is."""
    budget = share(task(agent_timeout=60), 1000, 0)
    assert budget.fair_until(60, 5) == pytest.approx(budget.agent_ends - 65)


@given(SECONDS, NOW, st.floats(min_value=0.0, max_value=1.0))
def test_the_outcome_never_waits_for_clean_up_beyond_the_deadline(
    seconds: float, now: float, share_gone: float
) -> None:
    """Whenever clean-up begins, waiting for it ends before the deadline, and takes no longer than its reserve."""
    budget = share(task(), seconds, now)
    at = now + seconds * share_gone
    wait = budget.cleanup_seconds(at)
    assert 0 <= wait <= budget.ends - budget.work_ends
    assert at + wait <= budget.ends or wait == 0
