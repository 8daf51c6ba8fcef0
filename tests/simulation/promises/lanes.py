"""P9: a signal waits for one handler at most, and a suspended actor takes no messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life


class Probe(Struct, eq=False):
    """One signal on its way."""

    life: Life
    turns: int
    """Messages its actor had taken when the signal was sent."""
    arrived: bool = False


class Lanes:
    """All signals that were sent to be measured."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._probes: list[Probe] = []
        self._asleep: set[Life] = set()

    def sent(self, life: Life) -> Probe:
        """A signal is sent."""
        probe = Probe(life, life.turns)
        self._probes.append(probe)
        return probe

    def arrived(self, probe: Probe) -> None:
        """It takes effect."""
        probe.arrived = True
        late = probe.life.turns - probe.turns
        if late > 0:
            self._journal.breach("P9", f"a signal to {probe.life.name} had to wait for {late} more messages")

    def suspended(self, life: Life) -> None:
        """From now on it must take no message."""
        self._asleep.add(life)

    def resumed(self, life: Life) -> None:
        """From now on it may."""
        self._asleep.discard(life)
        life.free_at = self._journal.now()

    def turn(self, life: Life) -> None:
        """It takes a message."""
        if life in self._asleep:
            self._journal.breach("P9", f"{life.name} takes a message though it is suspended")

    def at_rest(self) -> None:
        """No signal is still on its way to somebody who could take it."""
        for probe in self._probes:
            if probe.life.idle and not probe.arrived:
                self._journal.breach("P9", f"a signal to {probe.life.name} never arrived")
