"""The board everybody can read: what runs, what became of the rest, and why nothing is admitted if so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from greenroom.actors.circuits import CircuitRow
from greenroom.actors.reward import positive
from greenroom.messages import Outcome, Phase, Status
from greenroom.specs.limits import Bounds


class RolloutRow(Struct, frozen=True, kw_only=True):
    """One running rollout."""

    rollout_id: str
    task_id: str
    sample: int
    phase: Phase | None
    """``None`` between two attempts."""
    attempt: int
    turns: int
    """Of this attempt."""
    seconds: float
    """Since it was admitted."""
    restarts: int
    """Attempts that failed."""
    model_seconds: float = 0.0
    """Of this attempt, those for which the model's side held calls of the agent."""
    group: str = ""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The engine at one moment."""

    submitted: int
    """Rollouts handed over so far, in all runs."""
    waiting: int
    """Submitted and not yet admitted."""
    finished: dict[Status, int]
    """Outcomes that are committed, by status."""
    solved: int
    """Outcomes with a valid reward above 0."""
    scored: int
    """Outcomes with a valid reward."""
    paused: str
    """Why nothing is admitted at the moment; empty if all is well."""
    limits: Bounds
    """What admission keeps to."""
    circuits: tuple[CircuitRow, ...]
    """What failed last time: backends, images, agents."""
    rollouts: tuple[RolloutRow, ...]
    given_up: dict[str, str] = field(default_factory=dict[str, str])
    """What the engine does without for a while, such as its console: why, and when it is started again."""

    @property
    def running(self) -> int:
        """Rollouts that run."""
        return len(self.rollouts)

    @property
    def done(self) -> int:
        """Outcomes that are committed."""
        return sum(self.finished.values())


def _none() -> Iterator[CircuitRow]:
    """Nothing is known yet."""
    return iter(())


class Board(Struct, eq=False):
    """Plain data of the engine, written by the actors it concerns."""

    rows: dict[str, Callable[[], RolloutRow]] = field(default_factory=dict[str, Callable[[], RolloutRow]])
    submitted: int = 0
    waiting: int = 0
    finished: Counter[Status] = field(default_factory=Counter[Status])
    solved: int = 0
    scored: int = 0
    paused: str = ""
    """Why outcomes cannot be kept, the journal says."""
    held: str = ""
    """What else keeps rollouts from beginning, whoever they are."""
    bounds: Bounds = field(default_factory=Bounds)
    circuits: Callable[[], Iterator[CircuitRow]] = _none

    def count(self, outcome: Outcome) -> None:
        """An outcome is committed."""
        self.rows.pop(outcome.rollout_id, None)
        self.finished[outcome.status] += 1
        self.scored += outcome.reward_valid
        self.solved += outcome.reward_valid and positive(outcome.reward)

    def snapshot(self) -> Snapshot:
        """All of it, frozen."""
        return Snapshot(
            submitted=self.submitted,
            waiting=self.waiting,
            finished=dict(self.finished),
            solved=self.solved,
            scored=self.scored,
            paused=self.paused or self.held,
            limits=self.bounds,
            circuits=tuple(self.circuits()),
            rollouts=tuple(row() for row in self.rows.values()),
        )
