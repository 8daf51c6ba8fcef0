"""What an attempt amounts to, and whether another one follows. Pure: no await, no clock, no actor.

The shells collect what is known (`Conduct` of an agent, `Ending` of an attempt); here it is judged, by the table in
`policy`.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from greenroom.actors._boundary import Failure, failure
from greenroom.actors.events import AgentEnd, Score
from greenroom.actors.meter import Times
from greenroom.actors.policy import POLICY, Cause
from greenroom.actors.reward import positive
from greenroom.messages import Fault, Phase, Status
from greenroom.specs import Reward

NO_TIME = "no time for a fair attempt"
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0

_LONG_WAIT = 0.1
"""A wait for the model that takes so much of the agent's time is out of the ordinary."""
_ROUNDING = 1e-9

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
    times: Times = Times()
    """Whose the time was."""
    first: float = 0.0
    """Seconds that the first attempt's agent had; 0 in the first attempt."""

    @property
    def forsaken(self) -> Failure | None:
        """Why its model's side is to blame for not answering: it failed, or was silent for longer than it may be."""
        if self.failure is None and self.times.silent:
            text = (
                f"the agent's calls waited {self.times.silence:.1f} s without an answer, longer than model_wait allows"
            )
            text += f"; its time was up after {self.within}" if self.exit_code is None else ""
            return failure("model_failed", text, "agent", kind="model_silent")
        return self.failure

    @property
    def well(self) -> bool:
        """Whether it ended by itself and says that all is well, having been answered or needing no answer."""
        return self.exit_code == 0 and not self.exit_code_lies and not _needs_answer(self)


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
    seconds: float = 0.0
    """The budget its agent had; 0 if that was not started."""
    times: Times = Times()
    """Whose its agent's time was."""


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


class Rule(Struct, frozen=True, kw_only=True):
    """What may come together, and what counts then."""

    together: str
    wins: str
    """For people."""


class AgentRule(Rule, frozen=True, kw_only=True):
    """How an agent's end is judged, if the rule applies."""

    applies: Callable[[Conduct], bool]
    finds: Callable[[Conduct], tuple[Cause, Fault | None]]


class EndingRule(Rule, frozen=True, kw_only=True):
    """What an attempt amounts to; ``None`` if the rule does not apply."""

    finds: Callable[[Ending], Verdict | None]


def judge_agent(conduct: Conduct) -> tuple[Cause, Fault | None]:
    """Why an agent ended: what the first rule that applies finds."""
    return next(rule.finds(conduct) for rule in AGENT_RULES if rule.applies(conduct))


def doubt_of(conduct: Conduct) -> Failure | None:
    """Why a bad score is not to be blamed on an agent although it is graded."""
    return conduct.forsaken


def decide(ending: Ending) -> Verdict:
    """What an attempt amounts to: what the first rule that applies finds."""
    return next(verdict for rule in ENDING_RULES if (verdict := rule.finds(ending)) is not None)


def rules() -> str:
    """All rules as a Markdown table, in the order in which they are asked."""
    lines = [("what comes together", "what counts"), ("---", "---")]
    lines += [(rule.together, rule.wins) for rule in (*ENDING_RULES, *AGENT_RULES)]
    return "\n".join(f"| {together} | {wins} |" for together, wins in lines)


def without_time(verdict: Verdict, why: str) -> Verdict:
    """The same, where another attempt would be made if there were time for a fair one."""
    if verdict.fault is None:
        return verdict
    return replace(verdict, fault=replace(verdict.fault, message=f"{verdict.fault.message}; {NO_TIME}: {why}"))


def may_retry(verdict: Verdict, number: int, attempts: int) -> bool:
    """Whether another attempt follows on number ``number``, if there is time for it."""
    return POLICY[verdict.cause].retry and number < attempts


def wait_before_retry(verdict: Verdict, number: int, attempts: int, left: float, chance: float) -> float | None:
    """Seconds to wait before the next attempt; ``None`` if there is none.

    Args:
        verdict: On the attempt that ended.
        number: Its number, from 1.
        attempts: How many there may be.
        left: Seconds until the next attempt has to begin.
        chance: A random number from 0 to 1; waits differ so that a thousand rollouts do not come back at once.
    """
    if not may_retry(verdict, number, attempts):
        return None
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (number - 1)) * (0.5 + chance / 2)
    return wait if wait < left else None


def _forsaken(conduct: Conduct) -> tuple[Cause, Fault | None]:
    found = conduct.forsaken
    return ("model_failed", None) if found is None else (found.cause, found.fault)


def _starved(times: Times, seconds: float) -> bool:
    """Whether an agent's time was up in a long wait for its model, before it had all of it for itself."""
    waits = times.held or times.silence > times.idle
    long = times.silence > times.longest and times.silence >= _LONG_WAIT * seconds
    return times.own < seconds * (1 - _ROUNDING) and waits and long


def _starvation(times: Times, where: str) -> Failure:
    text = f"the agent waited for its model for the last {times.silence:.1f} s of its time: {where}"
    return failure("model_failed", text, "agent", kind="model_silent")


def _was_starved(conduct: Conduct) -> tuple[Cause, Fault | None]:
    return "model_failed", _starvation(conduct.times, conduct.within).fault


def _cut_short(conduct: Conduct) -> bool:
    had = conduct.seconds - conduct.times.denied
    return conduct.exit_code is None and had < conduct.first * (1 - _ROUNDING)


def _was_cut_short(conduct: Conduct) -> tuple[Cause, Fault | None]:
    text = f"{_late(conduct)}; the first attempt's had {conduct.first:.1f} s"
    return _found("agent_cut_short", text)


def _late(conduct: Conduct) -> str:
    return f"the agent did not end within {conduct.within or f'{conduct.seconds:g} s'}"


def _failed(conduct: Conduct) -> bool:
    """What a signal makes of an exit code is not the agent's own word."""
    code = conduct.exit_code or 0
    return code < 0 or (code != 0 and not conduct.exit_code_lies)


def _mute(conduct: Conduct) -> bool:
    return _needs_answer(conduct) and not conduct.called and (conduct.exit_code == 0 or conduct.exit_code_lies)


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


def _scored(ending: Ending) -> Verdict | None:
    agent, score = ending.agent, ending.score
    if agent is None or score is None:
        return None
    if score.cause is not None:
        return Verdict(cause=score.cause, fault=score.fault)
    if agent.doubt is not None and score.reward is not None and not positive(score.reward):
        return _verdict(agent.doubt)
    return Verdict(cause=agent.cause, fault=agent.fault, reward=score.reward)


def _cancelled(ending: Ending) -> Verdict | None:
    return None if ending.cancelled is None else _verdict(failure("cancelled", ending.cancelled, ending.phase))


def _late_in_a_wait(ending: Ending) -> Verdict | None:
    if not ending.deadline or ending.phase != "agent":
        return None
    starved = ending.times.silent or _starved(ending.times, ending.seconds)
    return _verdict(_starvation(ending.times, ending.account)) if starved else None


def _too_late(ending: Ending) -> Verdict | None:
    if not ending.deadline:
        return None
    text = f"the rollout's deadline passed during {ending.phase}{ending.account and f' ({ending.account})'}"
    return _verdict(failure(_DEADLINE[ending.phase], text, ending.phase, kind="deadline"))


def _verdict(failure: Failure) -> Verdict:
    return Verdict(cause=failure.cause, fault=failure.fault)


def _found(cause: Cause, message: str) -> tuple[Cause, Fault]:
    return cause, failure(cause, message, "agent").fault


ENDING_RULES: tuple[EndingRule, ...] = (
    EndingRule(
        together="the attempt was scored, and anything ends it afterwards: deadline, cancellation, a lost sandbox",
        wins="the score",
        finds=_scored,
    ),
    EndingRule(
        together="the rollout is cancelled, and its deadline passes or something fails",
        wins="cancelled",
        finds=_cancelled,
    ),
    EndingRule(
        together="the rollout's deadline passes while the agent is in a long wait for its model, as is said below",
        wins="model_failed",
        finds=_late_in_a_wait,
    ),
    EndingRule(
        together="the rollout's deadline passes, and something fails while the attempt is ended",
        wins="deadline_in_boot, deadline_in_setup, deadline_in_agent or deadline_in_verify",
        finds=_too_late,
    ),
    EndingRule(
        together="the sandbox is lost or an actor crashes, before the agent's end is told or while its work is judged",
        wins="sandbox_failed or actor_failed, whatever the agent or its model did",
        finds=lambda ending: _verdict(ending.failure),
    ),
)

AGENT_RULES: tuple[AgentRule, ...] = (
    AgentRule(
        together="the interception was down at some moment of the agent's life, and the agent does not end well, "
        "having turns and context left",
        wins="model_out_of_reach",
        applies=lambda conduct: conduct.away and not conduct.well and not conduct.used_up,
        finds=lambda _conduct: _found(
            "model_out_of_reach", "the engine's own server was down for a while, and its agent gave up"
        ),
    ),
    AgentRule(
        together="the model's side has failed or was silent beyond `model_wait`, and the agent does not end well",
        wins="model_failed or model_refused",
        applies=lambda conduct: conduct.forsaken is not None and not conduct.well,
        finds=_forsaken,
    ),
    AgentRule(
        together="the agent has used up its turns or its context, and ends in any way",
        wins="turns_used_up",
        applies=lambda conduct: conduct.used_up,
        finds=lambda _conduct: ("turns_used_up", None),
    ),
    AgentRule(
        together="the agent's time is up, before it had all of it for itself, in a wait for the model that is longer "
        "than any that ended with an answer, and than a tenth of the agent's time",
        wins="model_failed",
        applies=lambda conduct: conduct.exit_code is None and _starved(conduct.times, conduct.seconds),
        finds=_was_starved,
    ),
    AgentRule(
        together="the agent's time is up, and it had less of it than the first attempt's",
        wins="agent_cut_short",
        applies=_cut_short,
        finds=_was_cut_short,
    ),
    AgentRule(
        together="the agent's time is up, with a call open or not",
        wins="agent_timeout",
        applies=lambda conduct: conduct.exit_code is None,
        finds=lambda conduct: _found("agent_timeout", _late(conduct)),
    ),
    AgentRule(
        together="the agent could not be run, and so never asked its model",
        wins="agent_not_started",
        applies=lambda conduct: conduct.exit_code in _NOT_RUN and not conduct.turns,
        finds=lambda conduct: _found("agent_not_started", f"the agent could not be run: exit code {conduct.exit_code}"),
    ),
    AgentRule(
        together="the agent ends with exit code 0 and never asked its model",
        wins="agent_silent",
        applies=_mute,
        finds=lambda conduct: _found("agent_silent", _silence(conduct)),
    ),
    AgentRule(
        together="the agent crashes, is killed or gives up, with a call open or after it hung up on one",
        wins="agent_exit",
        applies=_failed,
        finds=lambda conduct: _found("agent_exit", f"the agent ended with exit code {conduct.exit_code}"),
    ),
    AgentRule(
        together="the model's side has failed or was silent beyond `model_wait`, and the agent ends well all the same",
        wins="a reward above 0 counts; any other is model_failed or model_refused",
        applies=lambda conduct: conduct.forsaken is not None,
        finds=lambda _conduct: ("finished", None),
    ),
    AgentRule(
        together="the agent ends by itself, with a call open or not",
        wins="finished",
        applies=lambda _conduct: True,
        finds=lambda _conduct: ("finished", None),
    ),
)
