"""What is said about a plan that broke a promise: everything that is needed to see it again, and to keep it."""

from __future__ import annotations

import re

from greenroom.testing import Backend
from tests.simulation.budget import command
from tests.simulation.plan import Plan, nodes
from tests.simulation.runner import Result, play
from tests.simulation.shrink import smallest

_LAST = 60


def report(plan: Plan, backend: Backend, result: Result) -> str:
    """The broken promises, the command that replays them, and the smallest plan that still breaks the first."""
    first = _kind(result.broken[0])
    small = smallest(plan, lambda less: first in map(_kind, play(less, backend).broken))
    again = play(small, backend)
    size = f"{len(small.faults)} faults, {len(small.acts)} acts, {len(list(nodes(small.tree)))} actors"
    return "\n".join(
        [
            f"the schedule of seed {plan.seed} on {backend} breaks {len(result.broken)} promises:",
            *(f"  {line}" for line in result.broken),
            f"replay: {command(plan.seed, backend)}",
            f"as small as it gets ({size}), for tests/simulation/regressions.py:",
            f"  {small!r}",
            f"which ends:\n  {chr(10).join(f'  {line}' for line in again.trace[-_LAST:]).strip()}",
        ]
    )


def _kind(broken: str) -> str:
    """A broken promise without its names and numbers."""
    promise, _, text = broken.partition(":")
    return promise.partition(" ")[0] + re.sub(r"\S*[\d/]\S*", "", text[:200])[:60]
