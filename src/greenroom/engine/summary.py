"""The short form of an outcome: one line that people can read and tools can filter."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from greenroom.messages.model import Completion
from greenroom.messages.outcome import AttemptRecord, Blame, CommandResult, Outcome, Phase, Status


class FaultSummary(Struct, frozen=True, kw_only=True):
    """A fault without its log."""

    blame: Blame
    kind: str
    message: str
    phase: Phase


class CommandSummary(Struct, frozen=True, kw_only=True):
    """A command without its output."""

    command: str
    phase: Phase
    exit_code: int
    timed_out: bool
    seconds: float


class AttemptSummary(Struct, frozen=True, kw_only=True):
    """An attempt with its turns counted instead of kept."""

    number: int
    status: Status
    fault: FaultSummary | None
    turns: int
    prompt_tokens: int
    completion_tokens: int
    commands: tuple[CommandSummary, ...]
    timings: dict[str, float]
    agent_seconds: float
    model_seconds: float
    agent_exit_code: int | None
    sandbox_id: str
    trainable: bool
    finish_reasons: dict[str, int] = {}
    """How many answers ended for each reason; one that is not known is there as its owner's word, as in
    ``unknown: eager``. Hostile input."""


class OutcomeSummary(Struct, frozen=True, kw_only=True):
    """An outcome without texts, tokens and logs; the fields mean what they mean in `Outcome`."""

    rollout_id: str
    task_id: str
    group: str
    sample: int
    agent: str
    status: Status
    reward: float | dict[str, float] | None
    reward_valid: bool
    fault: FaultSummary | None
    attempts: tuple[AttemptSummary, ...]
    timings: dict[str, float]
    agent_seconds: float
    model_seconds: float
    unsafe: tuple[str, ...]
    created: str
    metadata: dict[str, str | int | float | bool]


def summarise(outcome: Outcome) -> OutcomeSummary:
    """Leave out what is long."""
    return OutcomeSummary(
        rollout_id=outcome.rollout_id,
        task_id=outcome.task_id,
        group=outcome.group,
        sample=outcome.sample,
        agent=outcome.agent,
        status=outcome.status,
        reward=outcome.reward,
        reward_valid=outcome.reward_valid,
        fault=_fault(outcome),
        attempts=tuple(_attempt(attempt) for attempt in outcome.attempts),
        timings=outcome.timings,
        agent_seconds=outcome.agent_seconds,
        model_seconds=outcome.model_seconds,
        unsafe=outcome.unsafe,
        created=outcome.created,
        metadata=outcome.metadata,
    )


def _attempt(attempt: AttemptRecord) -> AttemptSummary:
    usages = [turn.completion.usage for turn in attempt.turns]
    return AttemptSummary(
        number=attempt.number,
        status=attempt.status,
        fault=_fault(attempt),
        turns=len(attempt.turns),
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        commands=tuple(_command(command) for command in attempt.commands),
        timings=attempt.timings,
        agent_seconds=attempt.agent_seconds,
        model_seconds=attempt.model_seconds,
        agent_exit_code=attempt.agent_exit_code,
        sandbox_id=attempt.sandbox_id,
        trainable=attempt.trainable,
        finish_reasons=dict(Counter(_reason(turn.completion) for turn in attempt.turns)),
    )


def _reason(completion: Completion) -> str:
    if completion.finish_reason != "unknown":
        return completion.finish_reason
    return f"unknown: {completion.native_finish_reason or ''}"


def _fault(subject: Outcome | AttemptRecord) -> FaultSummary | None:
    fault = subject.fault
    if fault is None:
        return None
    return FaultSummary(blame=fault.blame, kind=fault.kind, message=fault.message, phase=fault.phase)


def _command(result: CommandResult) -> CommandSummary:
    return CommandSummary(
        command=result.command,
        phase=result.phase,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        seconds=result.seconds,
    )
