"""What is expected is what the page says, and what is played is what has been asked for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from greenroom.actors.policy import POLICY, table
from greenroom.messages import AttemptRecord, Fault, Outcome
from tests.world.blame.case import GROUNDS, Case
from tests.world.blame.judge import check
from tests.world.blame.page import PAGE, rows
from tests.world.blame.ways.table import CASES


def test_the_page_is_read_as_it_is_written() -> None:
    """Each row of the page is what the policy prints, cause by cause."""
    assert rows(table()) == PAGE
    assert set(PAGE) == set(POLICY)


def test_another_table_is_not_taken_for_it() -> None:
    """A page whose first table is another one, or that answers maybe, is refused."""
    with pytest.raises(ValueError, match="does not begin with"):
        rows("| part | needed |\n| --- | --- |\n| journal | yes |\n")
    with pytest.raises(ValueError, match="maybe"):
        rows(table().replace("| no |", "| maybe |", 1))


def test_there_are_enough_ways() -> None:
    """Each kind of part fails in several ways, on every kind of sandbox, and no two cases have one name."""
    assert len({(case.of, case.name) for case in CASES}) == len(CASES) >= 40
    for ground in GROUNDS:
        assert len([case for case in CASES if ground in case.on]) >= 40
    assert {case.of for case in CASES} == {"sandbox", "model", "store", "engine", "time", "agent"}


FAULT = Fault(blame="sandbox", kind="sandbox_lost", message="gone", phase="agent")
LOST = AttemptRecord(number=1, status="sandbox_failed", fault=FAULT)
DONE = AttemptRecord(number=2, status="completed")
WELL = Outcome(
    rollout_id="r",
    task_id="t",
    group="t",
    sample=0,
    status="completed",
    reward=1.0,
    reward_valid=True,
    attempts=(LOST, DONE),
)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(WELL, attempts=(DONE,)),
        replace(WELL, attempts=(LOST, LOST, DONE)),
        replace(WELL, reward=0.0),
        replace(WELL, reward_valid=False),
        replace(WELL, status="sandbox_failed", fault=FAULT),
        replace(WELL, status="agent_timeout", fault=replace(FAULT, blame="agent")),
        replace(WELL, attempts=(replace(LOST, fault=replace(FAULT, blame="agent")), DONE)),
    ],
)
def test_the_judge_sees_what_is_wrong(wrong: Outcome) -> None:
    """An outcome that differs in status, blame, reward, validity or attempts from what the page says does not pass."""
    case = Case(name="killed", of="sandbox", cause="sandbox_failed")
    check(WELL, case, "once")
    with pytest.raises(AssertionError):
        check(wrong, case, "once")
