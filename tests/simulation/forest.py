"""Trees by chance: all strategies, restart types, graces, backoffs and mailboxes."""

from __future__ import annotations

from math import inf
from typing import get_args

from greenroom.kernel import Backoff
from greenroom.kernel._childspec import Grace
from greenroom.kernel._mailbox import Overflow
from greenroom.kernel._restart import AutoShutdown, Restart, Strategy
from tests.simulation.dice import Dice
from tests.simulation.plan import Branch, Leaf, Node, nodes

_DEEPEST = 3
_RESTARTS: tuple[Restart, ...] = ("permanent", "permanent", "permanent", *get_args(Restart))
_ENDING: tuple[Restart, ...] = ("transient", "temporary")
_STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
_AUTO: tuple[AutoShutdown, ...] = ("never", "never", "never", "any_significant", "all_significant")
_OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)
_GRACES: tuple[Grace, ...] = (0.5, 1.0, 5.0, 5.0, inf, "brutal")
_GRACES_ABOVE: tuple[Grace, ...] = (inf, inf, inf, 1.0, 5.0, "brutal")
_ROOM_ABOVE = (*[inf] * 4, 1)


class Forest:
    """Grows trees until their room for workers is used up."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._room = dice.number(1, 8)

    def grow(self) -> tuple[Node, ...]:
        """What hangs under the root of one system."""
        tree = tuple(self._node(id, 0) for id in "abc"[: self._dice.number(1, 3)])
        return tree if any(isinstance(node, Leaf) for _, node in nodes(tree)) else (*tree, self.leaf("z"))

    def leaf(self, id: str, *, significant: bool = False) -> Leaf:
        """A worker."""
        dice = self._dice
        self._room -= 1
        bounded = dice.chance(0.3)
        return Leaf(
            id,
            dice.one(_ENDING if significant else _RESTARTS),
            dice.one(_GRACES),
            dice.one((0.5, 2.0, 30.0)),
            dice.one((inf,) * 20 + (1.0, 8.0)),
            significant,
            dice.one((1, 2, 4)) if bounded else inf,
            dice.one(_OVERFLOWS) if bounded else "fail",
            trap=dice.chance(0.2),
            plain=dice.chance(0.2),
        )

    def _node(self, id: str, depth: int) -> Node:
        if self._room <= 0 or depth == _DEEPEST or self._dice.chance(0.2 + 0.3 * depth):
            return self.leaf(id)
        return self._branch(id, depth)

    def _branch(self, id: str, depth: int) -> Branch:
        dice = self._dice
        auto, strategy = dice.one(_AUTO), dice.one(_STRATEGIES)
        count = dice.number(0 if strategy == "dynamic" else 1, 4)
        children = tuple(self._child(f"{id}{number}", depth, auto) for number in range(count))
        return Branch(
            id,
            children,
            strategy,
            dice.one((0, 1, 2, 3, 10, 10)),
            dice.one((0.5, 5.0, 30.0)),
            auto,
            self._backoff(),
            dice.one(_RESTARTS),
            dice.one(_GRACES_ABOVE),
            mailbox=dice.one(_ROOM_ABOVE),
            overflow=dice.one(_OVERFLOWS),
        )

    def _child(self, id: str, depth: int, auto: AutoShutdown) -> Node:
        if auto != "never" and self._dice.chance(0.4):
            return self.leaf(id, significant=True)
        return self._node(id, depth + 1)

    def _backoff(self) -> Backoff | None:
        dice = self._dice
        if dice.chance(0.7):
            return None
        return Backoff(dice.one((0.1, 0.5, 2.0)), 2.0, 5.0, dice.one((0.0, 0.5)))
