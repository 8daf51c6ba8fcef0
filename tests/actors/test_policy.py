from __future__ import annotations

from typing import get_args

import pytest

from greenroom.actors.policy import POLICY, Cause, table
from greenroom.messages import Status

CAUSES = get_args(Cause)


def test_every_cause_has_its_row() -> None:
    """No cause is missing from the table, and no row is about nothing."""
    assert set(POLICY) == set(CAUSES)


def test_every_status_can_come_about() -> None:
    """Each status an outcome may have is what some cause leads to."""
    assert {row.status for row in POLICY.values()} == set(get_args(Status))


@pytest.mark.parametrize("cause", CAUSES)
def test_agents_and_tasks_are_not_retried(cause: Cause) -> None:
    """A new attempt is only made when the agent and the task are not to blame."""
    row = POLICY[cause]
    assert not row.retry or row.blame in {"sandbox", "model", "engine"}


@pytest.mark.parametrize("cause", CAUSES)
def test_infrastructure_is_never_trained_on(cause: Cause) -> None:
    """A fault of sandbox, model or engine leaves no valid reward."""
    row = POLICY[cause]
    assert not row.reward_valid or row.blame in {None, "agent"}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_retried_is_not_graded(cause: Cause) -> None:
    """Nobody spends time on judging what is thrown away."""
    assert not (POLICY[cause].retry and POLICY[cause].graded)


def test_the_table_is_printable() -> None:
    """The policy prints as a Markdown table with a line per cause."""
    head, rule, *rows = table().splitlines()
    assert head.startswith("| cause | status | blame | retried | graded | reward valid |")
    assert set(rule) <= set("| -")
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(POLICY)
