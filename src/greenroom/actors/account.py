"""Where the time of a rollout went, in words: for faults that say that it was up. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from greenroom.actors.budget import Budget
from greenroom.messages import Phase

_WORDS: Mapping[Phase, str] = {
    "boot": "boot",
    "setup": "set-up",
    "agent": "agent",
    "verify": "verification",
    "cleanup": "clean-up",
}
_SHOWN = 0.05
"""Seconds. What took less is not worth a word."""


def account(
    budget: Budget, earlier: float, spent: Mapping[str, float], kept: tuple[Phase, ...], model: float = 0.0
) -> str:
    """What took how long, in order, and for what time was kept.

    Args:
        budget: The rollout's.
        earlier: Seconds that went by before this attempt began.
        spent: Seconds of this attempt by phase.
        kept: Phases that were still to come, whose reserves nobody else may use.
        model: Seconds for which the model's side held calls, where they are not the agent's.
    """
    before = [f"earlier attempts {earlier:.1f} s"] if earlier >= _SHOWN else []
    phases = [f"{_WORDS[phase]} {spent.get(phase, 0.0):.1f} s" for phase in _WORDS if spent.get(phase, 0.0) >= _SHOWN]
    reserves = {"verify": budget.shares.verification, "cleanup": budget.shares.clean_up}
    left = [f"kept for {_WORDS[phase]} {reserves[phase]:.1f} s" for phase in kept if reserves.get(phase)]
    waits = [f"the model's side {model:.1f} s"] if model >= _SHOWN else []
    return ", ".join((*before, *phases, *waits, *left))
