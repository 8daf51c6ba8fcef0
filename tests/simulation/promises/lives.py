"""P3: no two incarnations of one actor live at once, no two callbacks of one run at once, none after its end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from greenroom.kernel import Crashed, Exit, Normal, StartFailed, TimedOut
from tests.simulation.messages import Trouble
from tests.simulation.plan import Branch, Deed, Leaf, Node

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from tests.simulation.journal import Journal


_EPSILON = 1e-3


class Life(Struct, eq=False):
    """One incarnation of an actor."""

    path: str
    number: int
    """Counts all births, from 1."""
    node: Node
    cell: Any = None
    """None until it is part of the system."""
    actor: Any = None
    parent: Life | None = None
    ready: bool = False
    over_at: float | None = None
    zombie: bool = False
    """It, or a job of its own, was given up."""
    ran_on: bool = False
    """Something of it was still running when it was declared dead."""
    inside: int = 0
    """Callbacks under way."""
    working: int = 0
    """Jobs under way."""
    turns: int = 0
    """Handlers begun for messages of the user lane."""
    free_at: float = 0.0
    """When it last became free for the next message."""
    struck: bool = False
    """Something outside the kernel's rules was done to it: it was killed or cancelled from outside."""
    said: Exit | None = None
    """How it said that it would end."""
    said_at: float = inf
    """When it had nothing more to do."""
    told: Exit | None = None
    """The exit that its ``stopped`` was given."""
    told_at: float = 0.0
    held: bool = False
    """A fault struck a job or the clean-up, which may take longer for that."""
    causes: tuple[Exception, ...] = ()
    """What its handlers and jobs raised first: several, if they did in one moment. Which came first is hard to tell."""
    caused_at: float = inf

    @property
    def name(self) -> str:
        """Of this incarnation."""
        return f"{self.path}#{self.number}"

    @property
    def plain(self) -> bool:
        """Whether it is ready as soon as it lives."""
        return isinstance(self.node, Leaf) and self.node.plain

    @property
    def alive(self) -> bool:
        """Whether it is part of the system."""
        return self.cell is not None and self.over_at is None

    @property
    def idle(self) -> bool:
        """Whether it would take a message right now."""
        cell = self.cell
        busy = self.inside or (self.alive and (cell.in_hand is not None or cell.suspended))
        return self.alive and cell.state == "running" and not busy

    @property
    def forgets(self) -> bool:
        """Whether a message that it has accepted may yet be dropped."""
        return isinstance(self.node, Leaf) and self.node.overflow == "drop_old"

    def listens(self, now: float) -> bool:
        """Whether it has had nothing else to do for a while, and has put nothing aside."""
        return self.idle and self.free_at < now and not self.cell.stash

    @property
    def exit(self) -> Exit:
        """How it ended."""
        exit: Exit = self.cell.verdict
        return exit


class Lives:
    """All incarnations there ever were."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.all: list[Life] = []
        self._at: dict[str, list[Life]] = {}
        self._of: dict[Cell, Life] = {}

    def born(self, path: str, node: Node) -> Life:
        """An actor was made."""
        life = Life(path, len(self.all) + 1, node)
        self.all.append(life)
        return life

    def entered(self, life: Life, cell: Cell) -> None:
        """It becomes part of the system."""
        life.cell, life.actor = cell, cell.actor
        self._of[cell] = life
        before = self._at.setdefault(life.path, [])
        for other in before:
            if other.over_at is None:
                self._journal.breach("P3", f"{life.name} begins while {other.name} lives")
            elif (other.inside or other.working) and not other.zombie:
                self._journal.breach("P3", f"{life.name} begins while {other.name} still runs")
        before.append(life)
        if cell.parent is not None:
            life.parent = self._of.get(cell.parent)
        self._journal.orders.starts(life)
        self._journal.restarts.starts(life)

    def of(self, cell: Cell | None) -> Life | None:
        """The incarnation that is this cell."""
        return None if cell is None else self._of.get(cell)

    def at(self, path: str) -> Life | None:
        """Whoever lives there now."""
        return next((life for life in reversed(self._at.get(path, [])) if life.over_at is None), None)

    def under(self, path: str) -> list[Life]:
        """The living children of the supervisor there."""
        return [life for life in self.all if life.alive and life.path.rpartition("/")[0] == path]

    def known(self, deed: Deed) -> Life | None:
        """Whom a deed means: who lives there now, or, if it has a large amount, who was the first to live there."""
        if deed.amount > 1:
            return next(iter(self._at.get(deed.target, [])), None)
        return self.at(deed.target)

    @contextmanager
    def inside(self, life: Life, what: str) -> Generator[None]:
        """Around every callback."""
        if life.inside:
            self._journal.breach("P3", f"{life.name}: {what} while another callback runs")
        if life.over_at is not None:
            self._journal.breach("P3", f"{life.name}: {what} after its end")
        if what not in ("started", "stopped") and not life.ready and not life.plain:
            self._journal.breach("P3", f"{life.name}: {what} before it was ready")
        life.inside += 1
        try:
            yield
        except Exception as error:
            self._caused(life, error)
            raise
        finally:
            life.inside -= 1
            life.free_at = self._journal.now()
            if life.said is not None:
                life.said_at = min(life.said_at, self._journal.now())

    @contextmanager
    def working(self, life: Life) -> Generator[None]:
        """Around every job."""
        life.working += 1
        try:
            yield
        except Exception as error:
            self._caused(life, error)
            raise
        finally:
            life.working -= 1

    def _caused(self, life: Life, error: Exception) -> None:
        now = self._journal.now()
        if now <= life.caused_at:
            life.causes, life.caused_at = (*life.causes, error), now

    def fenced(self, path: str) -> None:
        """The kernel gives up waiting for somebody, or for a job of his."""
        if path in self._at:
            self._at[path][-1].zombie = True

    def ended(self, path: str) -> None:
        """The kernel declares somebody dead."""
        for life in self._at.get(path, []):
            if life.over_at is None and life.cell.closed:
                self._over(life)

    def _over(self, life: Life) -> None:
        journal = self._journal
        life.over_at = journal.now()
        life.ran_on = bool(life.inside or life.working)
        if not life.struck:
            self._true_exit(life)
        journal.groups.ended(life)
        journal.orders.ends(life)
        journal.restarts.ended(life)
        journal.downs.ended(life)

    def _true_exit(self, life: Life) -> None:
        """The first cause stands, and nobody ends normally who has not said so."""
        exit = life.exit
        raised = exit.exception if isinstance(exit, Crashed) else next(iter(life.causes), None)
        other = isinstance(exit, Crashed) and life.causes and not any(raised is cause for cause in life.causes)
        wrong = {
            f"raised {life.causes}": other,
            f"was ending as {life.told}": life.told is not None and life.told.abnormal and exit is not life.told,
            f"said it would end as {life.said}": life.said and exit is not life.said and self._left_alone(life),
            "had not said so": isinstance(exit, Normal) and life.said is None,
            "was only to supervise": isinstance(life.node, Branch)
            and not isinstance(raised, StartFailed | Trouble | None),
        }
        for what, holds in wrong.items():
            if holds and not isinstance(raised, BaseExceptionGroup) and life not in self._journal.downs.torn:
                self._journal.breach("P7", f"{life.name} {what}, but ended as {exit}")
        late = self._journal.now() - life.said_at
        if late > _EPSILON and not life.held:
            self._journal.breach("P10", f"{life.name} had nothing more to do, but took {late:g} s to end")

    def _left_alone(self, life: Life) -> bool:
        """Whether nobody struck it, and it had no reason to be struck: as in OTP, a kill during clean-up is its end."""
        return not (self.stopped(life) or isinstance(life.exit, TimedOut) or life.causes or life.zombie or life.held)

    def stopped(self, life: Life) -> bool:
        """Whether its supervisor stops it, or may do so because it ends itself: what the root does is not seen."""
        above = life.parent
        if above is None or not above.alive or above.struck:
            return True
        return above.cell.verdict is not None or life.node.id in above.actor.clearing

    def at_rest(self) -> None:
        """Every supervisor has all the children it must have, and none of those it had before."""
        for life in self.all:
            if life.idle and life.parent is not None and not life.parent.alive:
                self._journal.breach("P4", f"{life.name} outlives its supervisor {life.parent.name}")
            if isinstance(life.node, Branch) and life.idle and not self._journal.restarts.pending(life):
                self._has_its_children(life)

    def _has_its_children(self, life: Life) -> None:
        for id, child in life.actor.children.items():
            dismissed = id in life.actor.dismissed
            if child.spec.restart == "permanent" and child.cell is None and not dismissed:
                self._journal.breach("P5", f"{life.name} has lost its permanent child {id}")
            elif child.cell is not None and child.cell.closed:
                self._journal.breach("P8", f"{life.name} never learnt that its child {id} has ended")

    def at_end(self) -> None:
        """Nobody lives, nothing runs but what was given up as a zombie."""
        for life in self.all:
            if life.alive:
                self._journal.breach("P6", f"{life.name} outlives the system")
            if life.ran_on and not life.zombie:
                self._journal.breach("P6", f"{life.name} was declared dead while it still ran")
