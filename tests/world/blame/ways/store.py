"""Ways of the store to fail."""

from __future__ import annotations

from greenroom.messages import Phase
from tests.world.blame.case import Case
from tests.world.blame.deeds import store_unavailable

_PHASES: tuple[Phase, ...] = ("boot", "setup", "agent", "verify")

CASES = tuple(
    Case(
        name=f"unavailable from {phase} until the rollout is over",
        of="store",
        phase=phase,
        deed=store_unavailable,
        cause="finished",
        often=("once",),
        on=("simulated",),
    )
    for phase in _PHASES
)
