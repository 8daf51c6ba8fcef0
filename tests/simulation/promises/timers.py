"""Timers fire once, when they are due, for the incarnation that set them, and not after they were cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life

_EPSILON = 1e-6


class Alarm(Struct, eq=False):
    """One timer."""

    life: Life
    key: str
    due: float
    fired: bool = False
    off: bool = False
    """Cancelled or replaced before it was due."""
    doubtful: bool = False
    """Cancelled or replaced in the very moment in which it was due."""


class Timers:
    """All timers there ever were."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: dict[int, Alarm] = {}

    def set(self, life: Life, id: int, delay: float, key: str) -> None:
        """An actor sets a timer, which replaces the one with the same key."""
        self.cancelled(life, key)
        self._all[id] = Alarm(life, key, self._journal.now() + delay)

    def cancelled(self, life: Life, key: str) -> None:
        """An actor cancels the timer with this key."""
        now = self._journal.now()
        for alarm in self._all.values():
            if key and alarm.life is life and alarm.key == key and not alarm.fired:
                alarm.off = alarm.due > now + _EPSILON
                alarm.doubtful = not alarm.off

    def fired(self, life: Life, id: int) -> None:
        """A timer's message is handled."""
        alarm = self._all[id]
        self._journal.note(f"tick {life.name} {id}")
        wrong = {
            "of another incarnation": alarm.life is not life,
            "for the second time": alarm.fired,
            "early": self._journal.now() < alarm.due - _EPSILON,
            "though cancelled": alarm.off,
        }
        for what, holds in wrong.items():
            if holds:
                self._journal.breach("P6", f"{life.name} gets a timer {what}")
        alarm.fired = True

    def at_rest(self) -> None:
        """What is due has been delivered."""
        now = self._journal.now()
        for alarm in self._all.values():
            due = not (alarm.off or alarm.doubtful) and alarm.due < now - 1
            if due and not alarm.fired and alarm.life.idle:
                self._journal.breach("P6", f"{alarm.life.name} never got the timer due at {alarm.due:g} s")
