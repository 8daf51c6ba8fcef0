"""From one integer to a plan. Each seed leans towards some kinds of trees, scripts and mishaps."""

from __future__ import annotations

import msgspec

from tests.simulation.dice import Dice
from tests.simulation.forest import Forest
from tests.simulation.mishaps import Mishaps
from tests.simulation.plan import Plan
from tests.simulation.runner import QUIET, rest_begins
from tests.simulation.script import Script


def make(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Dice(seed)
    forest = Forest(dice)
    tree = forest.grow()
    script, mishaps = Script(dice, forest, tree), Mishaps(dice, tree)
    acts = tuple(script.act() for _ in range(dice.number(2, 16)))
    faults = tuple(mishaps.fault() for _ in range(dice.number(0, 6)))
    plan = Plan(
        seed,
        tree,
        acts,
        faults,
        shutdown=dice.one((5.0, 30.0)),
        fence_after=dice.one((0.5, 2.0)),
        intensity=dice.one((0, 3, 20, 20)),
    )
    leave = rest_begins(plan) + QUIET if dice.chance(0.75) else dice.moment()
    return msgspec.structs.replace(plan, leave=leave)
