"""What a run asks of admission, and what a rollout uses in its words."""

from __future__ import annotations

import math

from msgspec import Struct

from greenroom.specs import SandboxSpec, TaskSpec


class Turn(Struct, frozen=True, kw_only=True):
    """The keywords of `Engine.run`, checked. Raises `ValueError` that names the one that is wrong."""

    priority: int = 0
    weight: float = 1.0
    samples: int = 1
    buffer: int | None = None

    def __post_init__(self) -> None:
        """Check all of them."""
        if self.samples < 1:
            raise ValueError(f"samples: expected 1 or more, got {self.samples}")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"weight: expected a number above 0, got {self.weight!r}")
        if self.buffer is not None and self.buffer < 0:
            raise ValueError(f"buffer: expected 0 or more, or None, got {self.buffer}")


def sandbox_kind(sandbox: SandboxSpec) -> str:
    """``local``, ``docker`` and the like."""
    tag = type(sandbox).__struct_config__.tag
    return str(tag) if tag else type(sandbox).__name__.lower()


def image_of(task: TaskSpec, sandbox: SandboxSpec) -> str:
    """What the task's sandbox is made of; empty where sandboxes are not made of images."""
    own = task.environment
    if own is not None and (own.image or own.build):
        return own.image or own.build or ""
    return str(getattr(sandbox, "image", "") or getattr(sandbox, "dockerfile", "") or "")
