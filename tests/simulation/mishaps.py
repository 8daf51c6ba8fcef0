"""What goes wrong, by chance."""

from __future__ import annotations

from tests.simulation.dice import Dice
from tests.simulation.plan import Fault, FaultKind, Leaf, Node, nodes

_HANDLERS: tuple[FaultKind, ...] = ("crash", "crash", "crash", "hang", "swallow", "stubborn", "stubborn")
_STARTS: tuple[FaultKind, ...] = (
    "start_fail",
    "start_fail",
    "start_slow",
    "start_hang",
    "start_ignore",
    "start_stubborn",
)
_JOBS: tuple[FaultKind, ...] = ("job_crash", "job_hang", "job_stubborn", "then_crash")
_STOPS: tuple[FaultKind, ...] = ("stop_fail", "stop_slow", "stop_hang", "stop_stubborn")
_KILLS: tuple[FaultKind, ...] = ("kill", "kill", "kill")
_ENDS: tuple[FaultKind, ...] = ("cancel", "raise", "cancel_step")
_STEPS: tuple[FaultKind, ...] = ("kill_step", "kill_step", "foreign_step")
_ALL = _HANDLERS * 2 + _STARTS + _JOBS + _STOPS + _KILLS + _STEPS + _ENDS[:1]
_GROUPS = (_HANDLERS, _STARTS, _JOBS, _STOPS, _KILLS, _STEPS, _ENDS, _ALL, _ALL, _ALL, _ALL)

_FEW_STEPS = 120
"""About as many as a small tree takes."""


class Mishaps:
    """Makes trouble for one tree, of one kind or of every kind."""

    def __init__(self, dice: Dice, tree: tuple[Node, ...]) -> None:
        self._dice = dice
        self._kinds = dice.one(_GROUPS)
        everybody = list(nodes(tree))
        self._paths = [path for path, _ in everybody]
        self._leaves = [path for path, node in everybody if isinstance(node, Leaf)]

    def fault(self) -> Fault:
        """One of them."""
        dice, kind = self._dice, self._dice.one(self._kinds)
        if kind in _KILLS:
            return Fault(kind, dice.one(self._paths), amount=dice.moment())
        if kind.endswith("_step"):
            return Fault(kind, nth=dice.number(1, _FEW_STEPS))
        if kind in _ENDS:
            return Fault(kind, amount=dice.moment())
        seconds = dice.one((5.0, 60.0)) if kind.endswith("stubborn") else dice.one((0.5, 1.0, 2.0))
        nth = dice.one((1, 2, 2, 3) if kind in _STARTS else (1, 1, 2, 3, 5))
        workers = kind in _HANDLERS or kind in _JOBS
        return Fault(kind, dice.one(self._leaves if workers else self._paths), nth, seconds)
