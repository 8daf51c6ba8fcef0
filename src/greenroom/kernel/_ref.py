"""How anybody reaches an actor.

Delivery is at most once. Messages of one sender to one actor arrive in the order they were sent. A `Ref` belongs to one
incarnation, so what was meant for an actor that has died never reaches its successor; a named ref looks its path up at
each send and reaches whoever holds the name now.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from greenroom.kernel._call import ask, deliver
from greenroom.kernel._errors import MailboxFull, NotDelivered
from greenroom.kernel._message import Call, R
from greenroom.kernel._trace import may_send

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._system import System

current: ContextVar[Cell | None] = ContextVar("greenroom_cell", default=None)
"""The actor on whose behalf code runs: its handlers, its jobs, and the tasks they start."""


class Ref:
    """Address of one incarnation of an actor. Hashable; equal if it is the same incarnation."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """Where it hangs in the tree, as in ``/engine/rollouts/r-000042``."""
        return self._cell.path

    @property
    def alive(self) -> bool:
        """False once it is dead. It may be so a moment later in any case."""
        cell = self.resolve()
        return cell is not None and not cell.closed

    def cast(self, message: object) -> None:
        """Send without waiting for anything.

        To a dead actor it becomes a dead letter. Raises `MailboxFull` if the mailbox is bounded and fails when full,
        and `TypeError` if the actor has no handler for such a message.
        """
        cell = self._cell
        if message.__class__ not in cell.known:
            raise TypeError(_unhandled(cell, message))
        if cell.simple and not cell.system.wary:
            # The usual case, spelt out: a call more would cost as much as all the rest.
            cell.user.append(message)
            if cell.waiter is not None:
                cell.system.backend.wake(cell)
        else:
            self._cast(cell, message)

    def _cast(self, cell: Cell, message: object) -> None:
        if cell.system.wary and not may_send(current.get(), cell, message):
            return
        box = cell.mailbox
        if cell.bounded and box.full and box.overflow in ("fail", "block") and not cell.closed:
            text = f"{cell.path}: mailbox is full ({box.limit})"
            raise MailboxFull(text)
        cell.accept(message)

    async def send(self, message: object, timeout: float = 5.0) -> None:
        """As `cast`, but waits for room in a bounded mailbox that blocks, at most ``timeout`` seconds.

        Senders are let in in the order in which they came. Raises `CallTimeout` when there was no room in time.
        """
        cell = self.resolve()
        if cell is None or not cell.blocks or message.__class__ not in cell.known:
            self.cast(message)
            return
        if cell.system.wary and not may_send(current.get(), cell, message):
            return
        await deliver(cell, message, timeout)

    def call(self, message: Call[R], timeout: float = 5.0) -> Coroutine[Any, Any, R]:
        """Send and wait for the reply, at most ``timeout`` seconds, give or take a thirty-second of that.

        Raises `NotDelivered`, `ReplyLost`, `CallTimeout`, or what the actor answered with `Reply.fail`. If the callee
        dies, the call ends at once. Cancelling the call tells the callee if it asked to know (`Actor.defer`).
        """
        # No coroutine of its own: one more to resume would cost as much as the deadline.
        return ask(self, message, timeout)

    def reach(self, message: object) -> Cell:
        """The cell behind it, if this message may be put to it; for the kernel's own use. Raises as `call` does."""
        cell = self._cell
        if message.__class__ not in cell.known:
            raise TypeError(_unhandled(cell, message))
        if cell.system.wary and not may_send(current.get(), cell, message):
            text = f"{cell.path}: the sender was abandoned"
            raise NotDelivered(text)
        return cell

    def resolve(self) -> Cell | None:
        """The cell behind it, for the kernel's own use."""
        return self._cell

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and not isinstance(other, NamedRef) and self._cell is other._cell

    def __hash__(self) -> int:
        return hash(self._cell)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


class NamedRef(Ref):
    """Address of a name: resolves to the current incarnation at each send. Equal if it is the same name."""

    __slots__ = ("_path", "_system")

    def __init__(self, system: System, path: str) -> None:
        self._system = system
        self._path = path

    @property
    def path(self) -> str:
        """The name it looks up."""
        return self._path

    def cast(self, message: object) -> None:
        """As `Ref.cast`; nobody there makes it a dead letter."""
        cell = self.resolve()
        if cell is None:
            self._system.dead_letter(self._path, message)
        else:
            cell.ref.cast(message)

    def reach(self, message: object) -> Cell:
        """The cell of whoever holds the name now."""
        cell = self.resolve()
        if cell is None:
            text = f"{self.path}: no such actor"
            raise NotDelivered(text)
        return cell.ref.reach(message)

    def resolve(self) -> Cell | None:
        """Whoever holds the name now."""
        return self._system.cells.get(self._path)

    def __eq__(self, other: object) -> bool:
        # A name is not who holds it: that may change, and what is equal has to stay so in a set.
        return isinstance(other, NamedRef) and (self._system, self._path) == (other._system, other._path)

    def __hash__(self) -> int:
        return hash(self._path)


def _unhandled(cell: Cell, message: object) -> str:
    known = ", ".join(sorted(kind.__name__ for kind in cell.known))
    return f"{cell.kind.__name__} ({cell.path}) does not handle {type(message).__name__}; it handles {known}"
