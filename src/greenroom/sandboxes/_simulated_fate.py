"""What fate has in store for one simulated sandbox. Pure: a seed and an id in, data out."""

from __future__ import annotations

import math
from random import Random
from typing import Literal, get_args

from msgspec import Struct

from greenroom.specs import Simulated

Misfortune = Literal[
    "boot_failed",
    "slow_boot",
    "lost_in_setup",
    "lost_with_agent",
    "lost_in_grading",
    "agent_crashed",
    "agent_hung",
]
"""The one bad thing that can happen to a sandbox."""

SLOW = 10.0
"""How many times longer a slow boot takes."""


class Fate(Struct, frozen=True, kw_only=True):
    """Decided when the sandbox is asked for; nothing random happens later. Seconds are of the event loop's clock."""

    misfortune: Misfortune | None = None
    boot: float
    """How long the boot takes, or how long it takes until it fails."""
    dies_after: float = math.inf
    """Death, counted from the end of the boot."""
    dies_after_agent: float = math.inf
    """Death, counted from the end of the agent."""
    last_turn: float = math.inf
    """After this many model calls the agent crashes, or hangs for as long as `Simulated.hang` says."""


def draw_fate(spec: Simulated, sandbox_id: str) -> Fate:
    """The same seed and id always give the same fate; different ids are independent."""
    rng = Random(f"{spec.seed}:{sandbox_id}")  # noqa: S311 - a simulation, not a secret
    if rng.random() >= spec.fault_rate:
        return Fate(boot=spec.boot)
    misfortune: Misfortune = rng.choice(get_args(Misfortune))
    share = rng.random()
    return Fate(
        misfortune=misfortune,
        boot=spec.boot * {"boot_failed": share, "slow_boot": SLOW}.get(misfortune, 1.0),
        dies_after={"lost_in_setup": 0.1 * share, "lost_with_agent": spec.turns * spec.turn * share}.get(
            misfortune, math.inf
        ),
        dies_after_agent=0.1 * share if misfortune == "lost_in_grading" else math.inf,
        last_turn=rng.randrange(spec.turns + 1) if misfortune in {"agent_crashed", "agent_hung"} else math.inf,
    )
