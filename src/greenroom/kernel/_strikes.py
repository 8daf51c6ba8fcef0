"""Ending an actor that does not end by itself.

Python has no ``kill``: a task can ignore its cancellation. So an actor is struck up to three times, with grace between:
first its handler is cancelled, then its ``stopped``, then the incarnation is *fenced*: declared dead, its name given
back, its task reported as a zombie. Nobody waits for it any longer. A brutal end skips ``stopped`` and its strike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greenroom.kernel._ask import Ask
from greenroom.kernel._burial import bury
from greenroom.kernel._exit import Killed, Shutdown

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._childspec import Grace
    from greenroom.kernel._timers import Timer


class Strikes:
    """The patience left with one cell."""

    __slots__ = ("_cell", "_count", "_due", "_timer", "brutal")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._count = 0
        self._timer: Timer | None = None
        self._due = math.inf
        self.brutal = False

    @property
    def pending(self) -> bool:
        """Whether a strike is due some time."""
        return self._timer is not None

    def after(self, grace: Grace) -> None:
        """Strike when ``grace`` is over, or earlier if that was settled before."""
        system = self._cell.system
        due = system.backend.now() + (0.0 if grace == "brutal" else grace)
        if due < self._due:
            self.put_off()
            self._due = due
            self._timer = system.timers.after(due - system.backend.now(), self.strike)

    def put_off(self) -> None:
        """No strike is due any more."""
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def kill(self) -> None:
        """Strike at once and without `stopped`, from the beginning; a second time changes nothing."""
        if not self.brutal:
            self.brutal = True
            self._count = 0
            self.strike()

    def strike(self) -> None:
        """Cancel what the cell is doing; fence it if it was cancelled in vain before."""
        cell = self._cell
        if cell.closed or cell.mourning:
            return
        self.put_off()
        self._count += 1
        if self._count > (1 if self.brutal else 2):
            self._fence()
            return
        self._condemn()
        cell.scope.cancel()
        for job in cell.jobs:
            job.cancel()
        self.after(cell.system.fence_after)

    def _fence(self) -> None:
        cell = self._cell
        self._condemn()
        # Whoever comes next needs the names of its children too.
        cell.mourning = True
        for kid in reversed(list(cell.kids.values())):
            kid.watchers[_Orphaned(cell.system.backend, None, cell=cell)] = None
            kid.ask_stop(Shutdown("supervisor died"), kid.grace)
        _give_up(cell)

    def _condemn(self) -> None:
        # Its first cause stands, if it was ending badly already.
        if self._cell.verdict is None or not self._cell.verdict.abnormal:
            self._cell.verdict = Killed()


class _Orphaned(Ask, eq=False):
    """Sees the end of a child whose supervisor is given up."""

    def settle(self, value: object, error: BaseException | None = None) -> bool:
        _give_up(self.cell)
        return super().settle(value, error)


def _give_up(cell: Cell) -> None:
    """Wait no longer for a cell, unless it has children: like every supervisor, it outlives them."""
    if not cell.kids and not cell.closed:
        bury(cell)
        cell.state = "zombie"
        cell.system.abandon(cell, cell.path, "it")
