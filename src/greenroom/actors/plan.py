"""What is to be done: a rollout, and one attempt at it.

Data that is handed down the tree and never changes, but for the clock of an attempt.
"""

from __future__ import annotations

from msgspec import Struct

from greenroom.actors.budget import Budget
from greenroom.actors.clock import Clock
from greenroom.kernel import Ref
from greenroom.specs import TaskSpec


class RolloutPlan(Struct, frozen=True, kw_only=True):
    """One task and sample, as submitted."""

    rollout_id: str
    task: TaskSpec
    sample: int
    group: str
    attempts: int
    seconds: float
    """The deadline, counted from the moment the rollout is admitted."""
    model_wait: float = 0.0
    """Seconds for which the model's side may hold calls before that counts as the agent's time."""
    created: str
    """RFC 3339, UTC."""
    queued_at: float
    """On the event loop's clock."""
    trainable: bool = True
    """Whether its model calls come through greenroom's own model, and not through a black box."""
    agent: str = ""
    backend: str = ""
    """The kind of its sandbox."""
    image: str = ""
    """What its sandbox is made of; empty where there is no such thing."""
    priority: int = 0
    weight: float = 1.0
    """As those of the run it belongs to."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What it uses, in the words of `greenroom.specs.limits.Limits.named`."""
        image = (f"image:{self.image}",) if self.image else ()
        return (f"backend:{self.backend}", f"agent:{self.agent}", *image)


class AttemptPlan(Struct, frozen=True, kw_only=True):
    """One attempt of a rollout."""

    rollout_id: str
    task: TaskSpec
    sample: int
    number: int
    """From 1."""
    began: float
    budget: Budget
    rollout: Ref
    """Who is told what happens."""
    clock: Clock
    """The agent's."""
    model_wait: float = 0.0
    """As that of its rollout."""
    first: float = 0.0
    """Seconds that the first attempt's agent had; 0 in the first attempt."""
    fair: float = 0.0
    """Of those, what this one's must have to be started."""

    @property
    def sandbox_id(self) -> str:
        """Known before there is anything to clean up."""
        return f"{self.rollout_id}-{self.number}"
