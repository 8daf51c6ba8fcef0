"""What an attempt amounts to, and whether another one follows. Pure: no await, no clock, no actor.

The shells collect what is known (`Conduct` of an agent, `Ending` of an attempt); here it is judged, by the table in
`policy`.
"""

from __future__ import annotations

from msgspec import Struct

from greenroom.actors._boundary import Failure, failure
from greenroom.actors.events import AgentEnd, Score
from greenroom.actors.policy import POLICY, Cause
from greenroom.messages import Fault, Phase, Status
from greenroom.specs import Reward

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0

_NOT_RUN = (126, 127)
"""What a shell, and every backend, reports for a program that is not executable, or not there."""

_DEADLINE: dict[Phase, Cause] = {
    "boot": "deadline_in_boot",
    "setup": "deadline_in_setup",
    "agent": "deadline_in_agent",
    "verify": "deadline_in_verify",
    "cleanup": "deadline_in_verify",
}


class Conduct(Struct, frozen=True, kw_only=True):
    """How an agent process ended, and what its model calls say."""

    exit_code: int | None
    """``None``: its time was up and it was killed."""
    seconds: float
    """The budget it had."""
    within: str = ""
    """The same in words, with where the rest of the time went."""
    exit_code_lies: bool
    turns: int
    """Model calls that were answered."""
    used_up: bool
    """It asked for more turns, or for a longer context, than there is."""
    failure: Failure | None
    """Its last model call went unanswered, for this reason."""
    called: bool = False
    """It asked its model at least once, whatever came of it."""
    requests: int = 0
    """What else it asked the model's server counts here too."""
    away: bool = False
    """The engine's own server was down at some moment of its life, so it could not reach its model."""
    may_be_silent: bool = False
    """It need not ask its model at all."""


class Ending(Struct, frozen=True, kw_only=True):
    """All that is known once an attempt is gone."""

    phase: Phase
    """The last one it was in."""
    agent: AgentEnd | None
    score: Score | None
    failure: Failure
    """What its exit means, if nothing else explains it."""
    deadline: bool = False
    """It was stopped because the rollout's time was up."""
    cancelled: str | None = None
    """It was stopped because somebody wanted so, for this reason."""
    account: str = ""
    """Where its time went, in words."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What an attempt amounts to."""

    cause: Cause
    fault: Fault | None = None
    reward: Reward | None = None

    @property
    def status(self) -> Status:
        """The status that the policy gives."""
        return POLICY[self.cause].status

    @property
    def reward_valid(self) -> bool:
        """Whether the reward may be trained on."""
        return self.reward is not None and POLICY[self.cause].reward_valid


def judge_agent(conduct: Conduct) -> tuple[Cause, Fault | None]:
    """Why an agent ended. Its exit code is a hint; the ledger of its model calls knows better."""
    gave_up = conduct.exit_code != 0 or conduct.exit_code_lies or _needs_answer(conduct)
    if conduct.away and gave_up and not conduct.used_up:
        return _found("model_out_of_reach", "the engine's own server was down for a while, and its agent gave up")
    if conduct.failure is not None and gave_up:
        return conduct.failure.cause, conduct.failure.fault
    if conduct.used_up:
        return "turns_used_up", None
    if conduct.exit_code is None:
        return _found("agent_timeout", f"the agent did not end within {conduct.within or f'{conduct.seconds:g} s'}")
    return _judge_exit_code(conduct, conduct.exit_code)


def decide(ending: Ending) -> Verdict:
    """What an attempt amounts to. What was learnt before it was stopped counts more than why it was stopped."""
    if ending.agent is not None and ending.score is not None:
        return _scored(ending.agent, ending.score)
    if ending.cancelled is not None:
        return _verdict(failure("cancelled", ending.cancelled, ending.phase))
    if ending.deadline:
        text = f"the rollout's deadline passed during {ending.phase}{ending.account and f' ({ending.account})'}"
        return _verdict(failure(_DEADLINE[ending.phase], text, ending.phase, kind="deadline"))
    return _verdict(ending.failure)


def wait_before_retry(verdict: Verdict, number: int, attempts: int, left: float, chance: float) -> float | None:
    """Seconds to wait before the next attempt; ``None`` if there is none.

    Args:
        verdict: On the attempt that ended.
        number: Its number, from 1.
        attempts: How many there may be.
        left: Seconds left of the rollout.
        chance: A random number from 0 to 1; waits differ so that a thousand rollouts do not come back at once.
    """
    if not POLICY[verdict.cause].retry or number >= attempts:
        return None
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (number - 1)) * (0.5 + chance / 2)
    return wait if wait < left else None


def _judge_exit_code(conduct: Conduct, exit_code: int) -> tuple[Cause, Fault | None]:
    if exit_code in _NOT_RUN and not conduct.turns:
        return _found("agent_not_started", f"the agent could not be run: exit code {exit_code}")
    if _needs_answer(conduct) and not conduct.called and (exit_code == 0 or conduct.exit_code_lies):
        return _found("agent_silent", _silence(conduct))
    # What a signal makes of an exit code is not the agent's own word.
    if exit_code < 0 or (exit_code != 0 and not conduct.exit_code_lies):
        return _found("agent_exit", f"the agent ended with exit code {exit_code}")
    return "finished", None


def _needs_answer(conduct: Conduct) -> bool:
    """Whether it cannot have done anything: no answer came, and it does nothing without."""
    return not conduct.turns and not conduct.may_be_silent


def _silence(conduct: Conduct) -> str:
    what = f"the agent ended with exit code {conduct.exit_code} and never called its model"
    if conduct.requests:
        return (
            f"{what}: requests came with its key ({conduct.requests}), but no model call that could be read; "
            "look at the path and the dialect that it uses, and at its log"
        )
    return (
        f"{what}: no request came with its key; look at the base URL and the key that it is given, at proxies and "
        "at its log, or declare `may_be_silent` if it needs no model"
    )


def _scored(agent: AgentEnd, score: Score) -> Verdict:
    if score.cause is not None:
        return Verdict(cause=score.cause, fault=score.fault)
    return Verdict(cause=agent.cause, fault=agent.fault, reward=score.reward)


def _verdict(failure: Failure) -> Verdict:
    return Verdict(cause=failure.cause, fault=failure.fault)


def _found(cause: Cause, message: str) -> tuple[Cause, Fault]:
    return cause, failure(cause, message, "agent").fault
