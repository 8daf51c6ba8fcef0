"""P1: first in, first out for each sender. P2: what is accepted is handled, a dead letter, lost in hand, or there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from tests.simulation.messages import Letter, Mail, Note, Query, Quiz

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life

_KINDS = {kind.__name__ for kind in (Letter, Note, Query, Quiz)}


class Fate(Struct, eq=False):
    """What became of one message."""

    path: str
    mourned: bool
    """Its sender had been declared dead when it was sent."""
    accepted: bool | None = None
    """None if nobody can tell: its sender gave up, maybe in the line before a full mailbox."""
    taken_by: Life | None = None
    finished: bool = False


class MailBook:
    """All messages there ever were."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.fates: dict[int, Fate] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._dead: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        """Replies that the kernel counted as late, by path."""

    def sent(self, id: int, path: str, sender: Life | None) -> Fate:
        """Somebody is about to send it."""
        fate = self.fates[id] = Fate(path, sender is not None and sender.over_at is not None)
        return fate

    def begin(self, life: Life, message: Mail) -> None:
        """A handler takes it."""
        life.turns += 1
        fate = self.fates[message.id]
        where = f"{life.name} handles message {message.id}"
        self._journal.note(f"handle {life.name} {type(message).__name__} {message.id} from {message.sender}")
        if fate.taken_by is not None:
            self._journal.breach("P2", f"{where}, which {fate.taken_by.name} has handled before")
        if fate.accepted is False:
            self._journal.breach("P2", f"{where}, which was refused")
        if fate.mourned:
            self._journal.breach("P3", f"{where}, which {message.sender} sent after its end")
        if message.meant not in (0, life.number):
            self._journal.breach("P3", f"{where}, which was meant for incarnation {message.meant}")
        if message.id < self._last.get((message.sender, life.number), 0):
            self._journal.breach("P1", f"{where} of {message.sender} after a later one")
        self._last[message.sender, life.number] = message.id
        fate.taken_by = life
        self._journal.bounds.taken(life, message.id)
        self._journal.lanes.turn(life)

    def finish(self, message: Mail) -> None:
        """Its handler has returned."""
        self.fates[message.id].finished = True

    def died(self, path: str, detail: str) -> None:
        """The kernel reports a dead letter."""
        kind, _, why = detail.partition(": ")
        if why == "late reply":
            self.late[path] += 1
        elif kind in _KINDS:
            self._dead[path] += 1

    def at_rest(self) -> None:
        """Nobody who could work leaves messages lying, or senders waiting for room that is there."""
        for life in self._journal.lives.all:
            if not life.idle:
                continue
            box = life.cell.mailbox
            if box.user or box.system:
                self._journal.breach("P2", f"{life.name} sleeps on {len(box.user)} messages, {len(box.system)} signals")
            if box.waiters and not box.full:
                self._journal.breach("P2", f"{life.name} has room, but {len(box.waiters)} senders wait for it")
            if len(box.user) > box.limit:
                self._journal.breach("P2", f"{life.name} holds {len(box.user)} messages, {box.limit} are allowed")

    def at_end(self) -> None:
        """The accounts of each path balance, and no life lost more than the one message it had in hand."""
        self._balance()
        lost = Counter(fate.taken_by for fate in self.fates.values() if fate.taken_by and not fate.finished)
        for life, count in lost.items():
            if count > 1:
                self._journal.breach("P2", f"{life.name} lost {count} messages in hand")

    def _balance(self) -> None:
        accepted = Counter(fate.path for fate in self.fates.values() if fate.accepted)
        doubtful = Counter(fate.path for fate in self.fates.values() if fate.accepted is None and not fate.taken_by)
        sure = Counter(fate.path for fate in self.fates.values() if fate.accepted is None and fate.taken_by)
        taken = Counter(fate.path for fate in self.fates.values() if fate.taken_by)
        for path in accepted | self._dead | taken:
            least = accepted[path] + sure[path]
            found = taken[path] + self._dead[path]
            if not least <= found <= least + doubtful[path]:
                text = f"{path} accepted {least} messages (or {doubtful[path]} more)"
                self._journal.breach("P2", f"{text} but {taken[path]} were handled and {self._dead[path]} died")
