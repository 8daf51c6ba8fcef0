"""A group has just the memberships that living actors have taken and not given back, in that order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life
    from tests.simulation.stage import Stage


class Groups:
    """All memberships there are."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._members: dict[str, list[Life]] = {}

    def joined(self, life: Life, group: str) -> None:
        """An actor joins."""
        if life.alive:
            self._members.setdefault(group, []).append(life)

    def left(self, life: Life, group: str) -> None:
        """An actor gives one membership back, if it has one."""
        members = self._members.get(group, [])
        if life in members:
            members.remove(life)

    def ended(self, life: Life) -> None:
        """An actor ends, and with it all its memberships."""
        for members in self._members.values():
            members[:] = [member for member in members if member is not life]

    def check(self, stage: Stage) -> None:
        """The kernel's list is ours."""
        lives = self._journal.lives
        for group, wanted in self._members.items():
            found = [lives.of(ref.resolve()) for ref in stage.members(group)]
            if found != wanted:
                names = [[life.name if life else "?" for life in members] for members in (found, wanted)]
                self._journal.breach("P6", f"group {group} has the members {names[0]}, should have {names[1]}")
