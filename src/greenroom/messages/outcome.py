"""What becomes of a rollout: exactly one `Outcome`, whatever happens."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from greenroom.messages.model import Turn
from greenroom.specs import AgentEvent

Blame = Literal["agent", "task", "model", "sandbox", "engine"]
"""Who is at fault. Sandbox, model and engine faults are retried with a whole new attempt; agent and task are not."""

Phase = Literal["boot", "setup", "agent", "verify", "cleanup"]

Status = Literal[
    "completed",
    "truncated",
    "agent_timeout",
    "agent_failed",
    "setup_failed",
    "sandbox_failed",
    "verifier_failed",
    "model_failed",
    "cancelled",
    "engine_failed",
]


class Fault(Struct, frozen=True, kw_only=True):
    """Why a rollout did not go as it should. Plain data, safe to show: no keys, no internals of the model's owner."""

    blame: Blame
    kind: str
    """A short stable word: ``sandbox_lost``, ``boot_failed``, ``setup_failed``, ``reward_invalid`` ..."""
    message: str
    phase: Phase
    detail: str = ""
    """Bounded: a traceback, or the tail of a log."""


class CommandResult(Struct, frozen=True, kw_only=True):
    """A command that really ran in the sandbox."""

    command: str
    phase: Phase
    exit_code: int
    """As the kernel gave it; ``-N`` when signal N ended it."""
    output: str
    """Standard output and error as they came, the tail of it when long."""
    truncated: bool = False
    """The head of the output was dropped."""
    timed_out: bool = False
    """Ended by greenroom because its time was up."""
    seconds: float


class AttemptRecord(Struct, frozen=True, kw_only=True):
    """One attempt, failed or not, kept as data."""

    number: int
    status: Status
    fault: Fault | None = None
    turns: tuple[Turn, ...] = ()
    commands: tuple[CommandResult, ...] = ()
    artifacts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """What the task wants kept of what the agent left, by relative path. Hostile input."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds per phase."""
    agent_seconds: float = 0.0
    """From the agent's start to its end, without those of ``model_seconds``."""
    model_seconds: float = 0.0
    """Those during which the model's side held at least one call of the agent: at its model, at a `Gate`, with a host
    tool, in ``engine.pause()``."""
    agent_exit_code: int | None = None
    agent_log: str = ""
    """What the agent printed, its last 64 KiB. Hostile input: escape before showing."""
    agent_files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Files of its home directory that its spec wants kept, such as transcripts, each its first MiB. Hostile input."""
    events: tuple[AgentEvent, ...] = ()
    """What the agent reported of its own steps, as it came, the first 2000. Hostile input."""
    sandbox_id: str = ""
    trainable: bool = True
    """False if the agent talked to a provider of its own (`BlackBox`): its turns are a report then, without tokens.

    Also false if an answer's ``finish_reason`` is ``unknown``: nobody can tell whether it is whole."""


class Outcome(Struct, frozen=True, kw_only=True):
    """The one typed result of a rollout."""

    rollout_id: str
    task_id: str
    group: str
    """Rollouts of one task in one run share a group."""
    sample: int
    agent: str = ""
    status: Status
    reward: float | dict[str, float] | None = None
    """``None`` is unscored. It never means 0.0."""
    reward_valid: bool = False
    """True only if the verifier ran to its end on what the agent left; train on nothing else."""
    fault: Fault | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    """Every attempt, the last one is the one that counts."""
    timings: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds: ``queued``, ``total``, and per phase over all attempts."""
    agent_seconds: float = 0.0
    """Over all attempts."""
    model_seconds: float = 0.0
    """Over all attempts."""
    unsafe: tuple[str, ...] = ()
    """What weakened isolation, if anything did."""
    created: str = ""
    """When it was submitted: RFC 3339, UTC."""
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict[str, str | int | float | bool])

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Turns of the attempt that counts."""
        return self.attempts[-1].turns if self.attempts else ()

    @property
    def trainable(self) -> bool:
        """Whether the turns are what greenroom's own model was asked and said, every answer known to be whole.

        See `reward_valid` for the reward.
        """
        return bool(self.attempts) and self.attempts[-1].trainable


class FaultError(Exception):
    """Carries a `Fault` through code that raises."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.kind}: {fault.message}")
        self.fault = fault
