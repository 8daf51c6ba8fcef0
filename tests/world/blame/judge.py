"""Whether an outcome is what the page promises."""

from __future__ import annotations

from msgspec import Struct

from greenroom.messages import Fault, Outcome
from greenroom.specs import Reward
from tests.world.blame.case import Case, Often
from tests.world.blame.page import PAGE, Row
from tests.world.blame.scene import ATTEMPTS

_BEFORE_ANY = frozenset({"cancelled", "rollout_lost"})
"""Causes with which an outcome may have no record of an attempt: nobody is left who could tell."""
_SCORED = frozenset({"completed", "truncated"})
"""How an attempt ends whose model and sandbox worked, unless its agent is to blame."""


class Told(Struct, frozen=True):
    """What an outcome says, or should say."""

    status: str
    blame: str | None
    reward_valid: bool
    reward: Reward | None
    attempts: tuple[tuple[str, str | None], ...]
    """Status and blame of each."""


def check(outcome: Outcome, case: Case, often: Often) -> None:
    """Raise `AssertionError` unless status, blame, validity and attempts are what the page says."""
    told, promised = _told(outcome), _promised(outcome, case, often)
    if told != promised:
        raise AssertionError(f"the page promises {promised}, and this came: {told}, {outcome.fault}")
    if case.infrastructure and outcome.reward_valid and outcome.status not in _SCORED:
        raise AssertionError(f"a failure that is not the agent's became a valid reward: {outcome.fault}")
    kinds = {fault.kind for fault in (outcome.fault, *(attempt.fault for attempt in outcome.attempts)) if fault}
    if case.kind and case.kind not in kinds:
        raise AssertionError(f"expected a fault of the kind {case.kind}, got {kinds}")


def _told(outcome: Outcome) -> Told:
    attempts = tuple((attempt.status, _blame(attempt.fault)) for attempt in outcome.attempts)
    return Told(outcome.status, _blame(outcome.fault), outcome.reward_valid, outcome.reward, attempts)


def _promised(outcome: Outcome, case: Case, often: Often) -> Told:
    row = PAGE[case.cause]
    retried = row.retried and case.attempts is None
    last = PAGE["finished"] if retried and often == "once" else row
    before = ((row.status, row.blame),) * ((case.attempts or (ATTEMPTS if retried else 1)) - 1)
    attempts = () if case.cause in _BEFORE_ANY and not outcome.attempts else (*before, (last.status, last.blame))
    return Told(last.status, last.blame, last.reward_valid, _reward(outcome, last), attempts)


def _reward(outcome: Outcome, row: Row) -> Reward | None:
    """A solved task if all went well, nothing if it is not valid; what an agent left that failed may be anything."""
    if not row.reward_valid:
        return None
    return 1.0 if row.cause == "finished" or outcome.reward is None else outcome.reward


def _blame(fault: Fault | None) -> str | None:
    return fault.blame if fault else None
