"""P2, for bounded mailboxes: a full one refuses, drops or waits, as it was told; one with room does none of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from greenroom.kernel import MailboxFull
from greenroom.kernel._mailbox import Own

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life


class Room(Struct, frozen=True):
    """How full a mailbox was when a message was sent there."""

    callee: Life
    waiting: int
    full: bool


class Bounds:
    """Looks at mailboxes before and after a message."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lines: dict[Life, dict[int, float]] = {}
        """For each full mailbox, the messages that wait before it, and until when."""

    def lines_up(self, room: Room | None, id: int, timeout: float) -> None:
        """Somebody is about to send or call, and may have to wait in line."""
        box: Any = None if room is None else room.callee.cell.mailbox
        if room is not None and box.overflow == "block" and (room.full or box.waiters):
            self._lines.setdefault(room.callee, {})[id] = self._journal.now() + timeout

    def gone(self, id: int) -> None:
        """Somebody does not wait any more."""
        for line in self._lines.values():
            line.pop(id, None)

    def taken(self, life: Life, id: int) -> None:
        """A message is handled: those that waited in line come in their order."""
        line, now = self._lines.get(life, {}), self._journal.now()
        if id in line:
            before = [other for other, deadline in line.items() if other < id and deadline > now]
            if before:
                self._journal.breach("P1", f"{life.name} lets message {id} in before {before}, which came first")
            del line[id]

    def before(self, callee: Life | None) -> Room | None:
        """Somebody is about to send."""
        if callee is None or not callee.alive:
            return None
        box: Any = callee.cell.mailbox
        return Room(callee, len(box.user), len(box.user) >= box.limit)

    def cast(self, room: Room | None, message: object, *, accepted: bool | None) -> None:
        """Somebody has cast this."""
        if room is None:
            return
        box: Any = room.callee.cell.mailbox
        refuses = room.full and box.overflow in ("fail", "block")
        if accepted is refuses:
            self._breach(
                room, f"with {room.waiting} of {box.limit} messages {'takes' if accepted else 'refuses'} a cast"
            )
        if room.full and not refuses:
            newest, others = box.user[-1] is message, any(type(entry) is not Own for entry in box.user)
            if newest is not (box.overflow == "drop_old" and others):
                self._breach(
                    room, f"is to {box.overflow}, but has {'kept' if newest else 'dropped'} the newest message"
                )
        if len(box.user) > max(box.limit, room.waiting):
            self._breach(room, f"has come to hold {len(box.user)} messages, {box.limit} are allowed")

    def called(self, room: Room | None, error: Exception) -> None:
        """Somebody has called and was refused."""
        if isinstance(error, MailboxFull) and (room is None or not room.full):
            self._journal.breach("P2", "a mailbox with room says that it is full")

    def gave_up(self, id: int, callee: Life | None, *, early: bool) -> None:
        """Somebody has waited for room, and does so no longer."""
        if early:
            self._journal.breach("P7", f"send {id} gave up early")
        if callee is not None and callee.listens(self._journal.now()) and not callee.cell.mailbox.full:
            self._journal.breach("P2", f"send {id} waited in vain, though {callee.name} had room")

    def _breach(self, room: Room, text: str) -> None:
        self._journal.breach("P2", f"{room.callee.name} {text}")
