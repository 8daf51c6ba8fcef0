"""What an attempt tells its rollout while it lasts. Each carries the attempt's number: stragglers are ignored."""

from __future__ import annotations

from msgspec import Struct, field

from greenroom.actors._boundary import Failure
from greenroom.actors.policy import Cause
from greenroom.kernel import Call
from greenroom.messages import CommandResult, Fault, Phase, Turn
from greenroom.specs import AgentEvent, Reward


class AgentEnd(Struct, frozen=True, kw_only=True):
    """How the agent ended. Nothing of it runs any more."""

    cause: Cause
    fault: Fault | None = None
    exit_code: int | None = None
    log: str = ""
    """Tail of what it printed."""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """What it left that its spec wants kept."""
    doubt: Failure | None = None
    """Its model had failed it before it ended well: no bad score is to be blamed on it."""


class Score(Struct, frozen=True, kw_only=True):
    """What the verifier found. Without a fault and without a reward, there was nothing to verify."""

    reward: Reward | None = None
    cause: Cause | None = None
    """Why there is no reward although there should be one."""
    fault: Fault | None = None


class GetTurns(Call[tuple[Turn, ...]], frozen=True):
    """The only question among these: the model calls of this attempt that were answered so far."""

    attempt: int


class PhaseEntered(Struct, frozen=True):
    """The attempt is in another phase from ``at`` on, a time of the event loop's clock."""

    attempt: int
    phase: Phase
    at: float


class SandboxBooted(Struct, frozen=True):
    """There is a sandbox; ``unsafe`` says what weakens its isolation."""

    attempt: int
    sandbox_id: str
    unsafe: tuple[str, ...]


class CommandRan(Struct, frozen=True):
    """A set-up or verify command ended."""

    attempt: int
    result: CommandResult


class TurnRecorded(Struct, frozen=True):
    """A model call was answered."""

    attempt: int
    turn: Turn


class AgentSaid(Struct, frozen=True):
    """The agent reported a step on its output, just now."""

    attempt: int
    event: AgentEvent


class ArtifactsTaken(Struct, frozen=True):
    """What the agent left that the task wants kept, by relative path."""

    attempt: int
    files: dict[str, bytes]


class AgentEnded(Struct, frozen=True):
    """The agent is dead, whatever ended it."""

    attempt: int
    end: AgentEnd


class Scored(Struct, frozen=True):
    """The verifier is done."""

    attempt: int
    score: Score
