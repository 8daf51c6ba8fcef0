"""P8: one `Down` for each monitor, never before the end, with the very exit; and linked actors share their fate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from greenroom.kernel import Down, Normal
from tests.simulation.plan import Leaf

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life

Pair = tuple["Life", "Life"]


class Downs:
    """All monitors and links there ever were: who looks, at whom."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._wanted: Counter[Pair] = Counter()
        self._got: Counter[Pair] = Counter()
        self._links: set[frozenset[Life]] = set()
        self._bound: list[Pair] = []
        self.torn: set[Life] = set()
        """Those that a link takes along."""

    def monitors(self, watcher: Life, target: Life) -> None:
        """An actor monitors another."""
        self._wanted[watcher, target] += 1

    def links(self, life: Life, target: Life) -> None:
        """An actor links to another, which lives or is dead already."""
        if target.over_at is not None:
            self._bind(life, target)
        else:
            self._links.add(frozenset((life, target)))

    def ended(self, life: Life) -> None:
        """Somebody ended: those linked to it are to learn of it."""
        for pair in [pair for pair in self._links if life in pair]:
            self._links.discard(pair)
            for other in pair - {life}:
                self._bind(other, life)

    def _bind(self, life: Life, dead: Life) -> None:
        if _traps(life):
            self._wanted[life, dead] += 1
        elif not isinstance(dead.exit, Normal):
            self._bound.append((life, dead))
            self.torn.add(life)

    def down(self, life: Life, message: Down) -> None:
        """A `Down` has come."""
        journal = self._journal
        target = journal.lives.of(message.ref.resolve())
        if target is None:
            journal.breach("P8", f"{life.name} is told of the end of somebody unknown, {message.ref}")
            return
        journal.note(f"down {life.name} {target.name}")
        self._got[life, target] += 1
        if target.over_at is None:
            journal.breach("P8", f"{life.name} is told that {target.name} ended, which it has not")
        elif message.exit is not target.exit:
            journal.breach("P8", f"{life.name} is told that {target.name} ended as {message.exit}: {target.exit}")
        if self._got[life, target] > self._wanted[life, target]:
            journal.breach("P8", f"{life.name} is told once too often that {target.name} ended")

    def at_rest(self) -> None:
        """Whoever waits for news has them; whoever was bound to a dead one is dead."""
        for (life, target), wanted in self._wanted.items():
            if life.idle and target.over_at is not None and self._got[life, target] != wanted:
                text = f"{life.name} got {self._got[life, target]} of {wanted} Downs of {target.name}"
                self._journal.breach("P8", text)
        for life, dead in self._bound:
            if life.idle:
                self._journal.breach("P8", f"{life.name} lives on, though linked to {dead.name}: {dead.exit}")


def _traps(life: Life) -> bool:
    return isinstance(life.node, Leaf) and life.node.trap
