"""A rollout's notes on one attempt: what it was told, until it becomes a record."""

from __future__ import annotations

from msgspec import Struct, field

from greenroom.actors.clock import Clock
from greenroom.actors.decision import Verdict
from greenroom.actors.events import AgentEnd, Score
from greenroom.messages import AttemptRecord, CommandResult, Phase, Turn
from greenroom.specs import AgentEvent


class Notes(Struct, kw_only=True, eq=False):
    """Mutable, of one rollout alone."""

    number: int
    began: float
    clock: Clock
    phase: Phase = "boot"
    since: float
    """When that phase began."""
    trainable: bool = True
    timings: dict[str, float] = field(default_factory=dict[str, float])
    sandbox_id: str = ""
    unsafe: tuple[str, ...] = ()
    turns: list[Turn] = field(default_factory=list[Turn])
    said: list[AgentEvent] = field(default_factory=list[AgentEvent])
    commands: list[CommandResult] = field(default_factory=list[CommandResult])
    artifacts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    agent: AgentEnd | None = None
    score: Score | None = None

    def enter(self, phase: Phase, now: float) -> None:
        """Another phase begins; the time since the last one goes to that."""
        self.timings[self.phase] = self.timings.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now

    def spent(self, now: float) -> dict[str, float]:
        """Seconds by phase, the one that lasts included."""
        return {**self.timings, self.phase: self.timings.get(self.phase, 0.0) + now - self.since}

    def record(self, verdict: Verdict, now: float) -> AttemptRecord:
        """The attempt is over."""
        self.enter("cleanup", now)
        times = self.clock.stop()
        return AttemptRecord(
            number=self.number,
            status=verdict.status,
            fault=verdict.fault,
            turns=tuple(self.turns),
            commands=tuple(self.commands),
            artifacts=self.artifacts,
            timings={**self.timings, "total": now - self.began},
            agent_seconds=times.own,
            model_seconds=times.model,
            agent_exit_code=self.agent.exit_code if self.agent else None,
            agent_log=self.agent.log if self.agent else "",
            agent_files=self.agent.files if self.agent else {},
            events=tuple(self.said),
            sandbox_id=self.sandbox_id,
            trainable=self.trainable and all(turn.completion.finish_reason != "unknown" for turn in self.turns),
        )
