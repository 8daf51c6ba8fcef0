from __future__ import annotations

import pytest
from msgspec.structs import replace

from greenroom.actors._boundary import failure
from greenroom.actors.decision import (
    AGENT_RULES,
    ENDING_RULES,
    Conduct,
    Ending,
    Verdict,
    decide,
    doubt_of,
    judge_agent,
    rules,
    wait_before_retry,
    without_time,
)
from greenroom.actors.events import AgentEnd, Score
from greenroom.actors.meter import Times
from greenroom.actors.policy import POLICY, Cause
from greenroom.messages import Phase

MODEL = failure("model_failed", "no answer", "agent", kind="unavailable")
REFUSED = failure("model_refused", "bad key", "agent", kind="unauthorized")
LOST = failure("sandbox_failed", "it died", "agent", kind="sandbox_lost")


def conduct(**changes: object) -> Conduct:
    """An agent that ended well, but for the changes."""
    usual = {"exit_code": 0, "seconds": 60.0, "exit_code_lies": False, "turns": 3, "used_up": False, "failure": None}
    return Conduct(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "finished"),
        ({"exit_code": 1}, "agent_exit"),
        ({"exit_code": -9}, "agent_exit"),
        ({"exit_code": 127}, "agent_exit"),
        ({"exit_code": 127, "turns": 0}, "agent_not_started"),
        ({"exit_code": 126, "turns": 0, "exit_code_lies": True}, "agent_not_started"),
        ({"exit_code": None}, "agent_timeout"),
        ({"exit_code": 1, "exit_code_lies": True}, "finished"),
        ({"exit_code": -9, "exit_code_lies": True}, "agent_exit"),
        ({"turns": 0}, "agent_silent"),
        ({"turns": 0, "requests": 3}, "agent_silent"),
        ({"turns": 0, "exit_code_lies": True}, "agent_silent"),
        ({"turns": 0, "exit_code_lies": True, "exit_code": 1}, "agent_silent"),
        ({"turns": 0, "may_be_silent": True}, "finished"),
        ({"turns": 0, "may_be_silent": True, "exit_code_lies": True}, "finished"),
        ({"turns": 0, "may_be_silent": True, "exit_code": 1}, "agent_exit"),
        ({"turns": 0, "may_be_silent": True, "exit_code": 127}, "agent_not_started"),
        ({"turns": 0, "exit_code": 1}, "agent_exit"),
        ({"turns": 0, "exit_code": -9}, "agent_exit"),
        ({"turns": 0, "exit_code": None}, "agent_timeout"),
        ({"turns": 0, "called": True}, "finished"),
        ({"turns": 0, "called": True, "used_up": True}, "turns_used_up"),
        ({"turns": 0, "called": True, "failure": MODEL}, "model_failed"),
        ({"turns": 0, "called": True, "failure": REFUSED}, "model_refused"),
        ({"turns": 0, "called": True, "failure": MODEL, "may_be_silent": True}, "finished"),
        ({"used_up": True}, "turns_used_up"),
        ({"used_up": True, "exit_code": 1}, "turns_used_up"),
        ({"used_up": True, "exit_code": None}, "turns_used_up"),
        ({"failure": MODEL}, "finished"),
        ({"failure": MODEL, "exit_code": 1}, "model_failed"),
        ({"failure": MODEL, "exit_code": None}, "model_failed"),
        ({"failure": MODEL, "exit_code_lies": True}, "model_failed"),
        ({"failure": REFUSED, "exit_code": 1}, "model_refused"),
        ({"away": True}, "finished"),
        ({"away": True, "exit_code": 1}, "model_out_of_reach"),
        ({"away": True, "exit_code": -9}, "model_out_of_reach"),
        ({"away": True, "exit_code": None}, "model_out_of_reach"),
        ({"away": True, "exit_code_lies": True}, "model_out_of_reach"),
        ({"away": True, "turns": 0}, "model_out_of_reach"),
        ({"away": True, "turns": 0, "exit_code": 127}, "model_out_of_reach"),
        ({"away": True, "turns": 0, "may_be_silent": True}, "finished"),
        ({"away": True, "failure": MODEL, "exit_code": 1}, "model_out_of_reach"),
        ({"away": True, "used_up": True, "exit_code": 1}, "turns_used_up"),
    ],
)
def test_an_agents_end_has_a_cause(changes: dict[str, object], cause: Cause) -> None:
    """Exit code and ledger together say why an agent ended; the exit code of one that lies says nothing."""
    found, fault = judge_agent(conduct(**changes))
    assert found == cause
    assert (fault.blame if fault else None) == POLICY[cause].blame


STALLED = Times(own=20, model=40, excused=10, silence=30, longest=5, held=True)
SILENT = Times(own=1, model=90, excused=60, silence=90, held=True, silent=True)
LEFT = Times(own=50, model=10, excused=10, silence=10, idle=50)


@pytest.mark.parametrize(
    ("changes", "cause", "kind"),
    [
        ({"exit_code": None, "times": SILENT}, "model_failed", "model_silent"),
        ({"exit_code": 1, "times": SILENT}, "model_failed", "model_silent"),
        ({"exit_code": -9, "times": SILENT}, "model_failed", "model_silent"),
        ({"exit_code": 1, "times": SILENT, "failure": REFUSED}, "model_refused", "unauthorized"),
        ({"exit_code": 0, "times": SILENT}, "finished", ""),
        ({"exit_code": 0, "exit_code_lies": True, "times": SILENT}, "model_failed", "model_silent"),
        ({"exit_code": 0, "turns": 0, "called": True, "times": SILENT}, "model_failed", "model_silent"),
        ({"exit_code": None, "times": STALLED}, "model_failed", "model_silent"),
        ({"exit_code": None, "times": replace(STALLED, longest=31)}, "agent_timeout", "agent_timeout"),
        ({"exit_code": None, "times": replace(STALLED, silence=5.9)}, "agent_timeout", "agent_timeout"),
        ({"exit_code": None, "times": replace(STALLED, own=60)}, "agent_timeout", "agent_timeout"),
        ({"exit_code": None, "times": replace(STALLED, held=False, idle=29)}, "model_failed", "model_silent"),
        ({"exit_code": None, "times": replace(STALLED, held=False, idle=31)}, "agent_timeout", "agent_timeout"),
        ({"exit_code": 1, "times": STALLED}, "agent_exit", "agent_exit"),
        ({"exit_code": None, "times": LEFT}, "agent_timeout", "agent_timeout"),
        ({"exit_code": None, "first": 61.0}, "agent_cut_short", "agent_cut_short"),
        ({"exit_code": None, "first": 60.0}, "agent_timeout", "agent_timeout"),
        (
            {"exit_code": None, "first": 60.0, "times": Times(own=50, model=10, denied=10)},
            "agent_cut_short",
            "agent_cut_short",
        ),
        ({"exit_code": 1, "first": 61.0}, "agent_exit", "agent_exit"),
        ({"exit_code": None, "first": 61.0, "times": STALLED}, "model_failed", "model_silent"),
        ({"exit_code": None, "first": 61.0, "used_up": True}, "turns_used_up", ""),
        ({"exit_code": None, "used_up": True, "times": SILENT}, "model_failed", "model_silent"),
    ],
)
def test_whose_the_time_was_is_considered(changes: dict[str, object], cause: Cause, kind: str) -> None:
    """An agent is not judged for time that its model's side has taken, or that another attempt's had and it had not."""
    found, fault = judge_agent(conduct(**changes))
    assert (found, fault.kind if fault else "") == (cause, kind)
    assert (fault.blame if fault else None) == POLICY[cause].blame


@pytest.mark.parametrize("changes", [{"failure": MODEL}, {"times": SILENT}, {"used_up": True, "failure": MODEL}])
@pytest.mark.parametrize(
    ("reward", "valid"),
    [(0.0, False), (-1.0, False), (0.5, True), ({"a": 0.0, "b": 0.0}, False), ({"a": 0.0, "b": 1.0}, True)],
)
def test_a_bad_score_is_not_blamed_on_an_agent_whose_model_failed(
    changes: dict[str, object],
    reward: float | dict[str, float],
    valid: bool,  # noqa: FBT001
) -> None:
    """What ended well although its model had failed is kept if it is worth something, and tried again if not."""
    ended = conduct(**changes)
    cause, fault = judge_agent(ended)
    end = AgentEnd(cause=cause, fault=fault, exit_code=0, doubt=doubt_of(ended))
    verdict = decide(ending(agent=end, score=Score(reward=reward)))
    assert verdict.reward_valid is valid
    assert (verdict.cause == "model_failed") is not valid
    assert POLICY[verdict.cause].retry is not valid


def test_a_bad_score_of_an_agent_whose_model_answered_is_its_own() -> None:
    """Without a failure of its model there is no doubt."""
    assert doubt_of(conduct()) is None
    assert doubt_of(conduct(exit_code=1)) is None


def test_the_rules_are_printable() -> None:
    """The rules print as a Markdown table with a line for each, none of them for the same."""
    head, rule, *rows = rules().splitlines()
    assert head == "| what comes together | what counts |"
    assert set(rule) <= set("| -")
    assert len(rows) == len(set(rows)) == len(AGENT_RULES) + len(ENDING_RULES)


def test_without_time_for_a_fair_attempt_the_failure_stays_what_it_was() -> None:
    """The fault keeps its kind and its blame, and says in addition why there is no other attempt."""
    before = Verdict(cause="sandbox_failed", fault=LOST.fault)
    after = without_time(before, "4 s are left").fault
    assert after is not None
    assert after.message == "it died; no time for a fair attempt: 4 s are left"
    assert (after.kind, after.blame, after.phase) == ("sandbox_lost", "sandbox", "agent")


@pytest.mark.parametrize(("requests", "hint"), [(0, "base URL"), (2, "path and the dialect")])
def test_silence_comes_with_a_hint(requests: int, hint: str) -> None:
    """The fault of a silent agent says where to look: at what it was given, or at what it asked for."""
    _, fault = judge_agent(conduct(turns=0, requests=requests))
    assert fault is not None
    assert hint in fault.message


def ending(**changes: object) -> Ending:
    """An attempt whose sandbox was lost, but for the changes."""
    usual = {"phase": "agent", "agent": None, "score": None, "failure": LOST}
    return Ending(**(usual | changes))  # type: ignore[arg-type]


FINISHED = AgentEnd(cause="finished", exit_code=0)


def test_a_scored_attempt_is_what_its_agent_made_of_it() -> None:
    """Once agent and verifier have spoken, neither the deadline nor a cancellation changes the result."""
    scored = ending(agent=FINISHED, score=Score(reward=0.5), deadline=True, cancelled="enough")
    assert decide(scored) == Verdict(cause="finished", reward=0.5)
    assert decide(scored).reward_valid


def test_no_reward_is_not_a_valid_reward() -> None:
    """An attempt that had nothing to verify has no valid reward."""
    verdict = decide(ending(agent=FINISHED, score=Score()))
    assert (verdict.status, verdict.reward, verdict.reward_valid) == ("completed", None, False)


def test_a_failed_verification_takes_precedence() -> None:
    """When verification failed, the outcome says so, whatever the agent did."""
    broken = failure("reward_invalid", "nan", "verify")
    verdict = decide(ending(agent=FINISHED, score=Score(cause=broken.cause, fault=broken.fault)))
    assert (verdict.status, verdict.fault) == ("verifier_failed", broken.fault)


@pytest.mark.parametrize(
    ("phase", "status", "blame"),
    [
        ("boot", "sandbox_failed", "sandbox"),
        ("setup", "setup_failed", "task"),
        ("agent", "agent_timeout", "agent"),
        ("verify", "verifier_failed", "task"),
    ],
)
def test_the_deadline_is_laid_to_the_phase_it_passed_in(phase: Phase, status: str, blame: str) -> None:
    """Whoever held the stage when the time was up is to blame."""
    verdict = decide(ending(phase=phase, deadline=True))
    assert verdict.fault is not None
    assert (verdict.status, verdict.fault.blame, verdict.fault.kind) == (status, blame, "deadline")


def test_a_cancelled_attempt_says_why() -> None:
    """The reason given for a cancellation is in the fault."""
    verdict = decide(ending(cancelled="enough"))
    assert verdict.fault is not None
    assert (verdict.status, verdict.fault.message) == ("cancelled", "enough")


def test_an_unexplained_end_is_what_the_exit_says() -> None:
    """Without anything else to go by, the attempt's exit decides."""
    assert decide(ending()) == Verdict(cause="sandbox_failed", fault=LOST.fault)


def test_waits_grow_and_differ() -> None:
    """Each wait is between half and all of a step that doubles, and is never longer than a minute."""
    verdict = Verdict(cause="sandbox_failed")
    waits = [wait_before_retry(verdict, n, 100, 1e9, 1.0) for n in (1, 2, 3, 20)]
    assert waits == [1.0, 2.0, 4.0, 60.0]
    assert wait_before_retry(verdict, 1, 100, 1e9, 0.0) == 0.5


@pytest.mark.parametrize(
    ("cause", "number", "left"), [("agent_exit", 1, 1e9), ("sandbox_failed", 3, 1e9), ("sandbox_failed", 1, 0.9)]
)
def test_no_retry_without_cause_attempts_and_time(cause: Cause, number: int, left: float) -> None:
    """There is no further attempt when the policy has none, when all are used up, or when the time is."""
    assert wait_before_retry(Verdict(cause=cause), number, 3, left, 1.0) is None
