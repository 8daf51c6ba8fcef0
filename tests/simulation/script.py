"""What the actors of a tree are asked to do, by chance."""

from __future__ import annotations

from math import inf

from tests.simulation.dice import Dice
from tests.simulation.forest import Forest
from tests.simulation.plan import Act, Branch, Deed, FromOutside, Instant, Leaf, Node, Waiting, nodes

_ACTS: dict[FromOutside, int] = {
    "burst": 3,
    "call": 18,
    "cast": 15,
    "delete": 1,
    "look": 2,
    "probe": 4,
    "restart": 1,
    "send": 6,
    "start": 1,
    "stop": 2,
    "suspend": 2,
    "trace": 2,
}
_DEEDS: dict[Instant | Waiting, int] = {
    "answer": 1,
    "become": 1,
    "call": 4,
    "cast": 3,
    "dismiss": 1,
    "drop": 1,
    "job": 4,
    "join": 2,
    "leave": 1,
    "link": 2,
    "monitor": 3,
    "send": 1,
    "sleep": 4,
    "stop": 1,
    "timer": 3,
    "untimer": 1,
}
_SECONDS = (0.0, 0.5, 0.5, 1.0, 2.5)
_TIMEOUTS = (0.5, 1.0, 5.0, 5.0, 30.0)


class Script:
    """Writes for the actors of one tree."""

    def __init__(self, dice: Dice, forest: Forest, tree: tuple[Node, ...]) -> None:
        self._dice = dice
        self._forest = forest
        self._leaves = [path for path, node in nodes(tree) if isinstance(node, Leaf)]
        self._branches = [path for path, node in nodes(tree) if isinstance(node, Branch)]

    def act(self) -> Act:
        """Something done from outside."""
        dice = self._dice
        at, verb, target = dice.moment(), dice.weighted(_ACTS), dice.one(self._leaves)
        match verb:
            case "start":
                return self._start(at)
            case "stop" | "restart" | "delete":
                return Act(at, verb, dice.one(self._leaves + self._branches), timeout=dice.one(_TIMEOUTS))
            case "suspend" | "probe" | "look" | "trace":
                return Act(at, verb, target, dice.one((0.5, 2, 10)))
            case _:
                return Act(at, verb, target, dice.one((1, 1, 2, 5)), dice.one(_TIMEOUTS), self._deeds(2, verb))

    def _start(self, at: float) -> Act:
        id = f"new{self._dice.number(0, 1)}"
        above = self._dice.one(["", *self._branches])
        return Act(at, "start", f"{above}/{id}", timeout=self._dice.one(_TIMEOUTS), node=self._forest.leaf(id))

    def _deeds(self, depth: int, verb: str) -> tuple[Deed, ...]:
        dice = self._dice
        deeds = [self._deed(depth) for _ in range(dice.one((0, 1, 1, 2, 3)))] if depth else []
        if verb in ("call", "burst") and dice.chance(0.3):
            deeds.append(Deed("defer", "", dice.one((*_SECONDS, 10.0, inf))))
        return tuple(deeds)

    def _deed(self, depth: int) -> Deed:
        dice = self._dice
        verb, seconds, target = dice.weighted(_DEEDS), dice.one(_SECONDS), dice.one(self._leaves)
        match verb:
            case "cast" | "call" | "send":
                return Deed(verb, target, dice.one(_TIMEOUTS), self._deeds(depth - 1, verb))
            case "job":
                return Deed(verb, "", seconds, self._deeds(depth - 1, verb))
            case "timer" | "untimer":
                return Deed(verb, dice.one(("", "", "tea", "lunch")), seconds)
            case "join" | "leave":
                return Deed(verb, dice.one(("red", "blue")))
            case "dismiss":
                return Deed(verb, target, dice.one(_TIMEOUTS))
            case _:
                return Deed(verb, target, seconds)
