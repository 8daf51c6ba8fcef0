"""A job's result is delivered once, if the job came to its end and nobody cancelled it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life


class Work(Struct, eq=False):
    """One job."""

    life: Life
    finished: bool = False
    dropped: bool = False
    delivered: bool = False


class Jobs:
    """All jobs there ever were."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: dict[int, Work] = {}

    def began(self, life: Life, id: int) -> None:
        """An actor starts a job."""
        self._all[id] = Work(life)

    def dropped(self, id: int) -> None:
        """Its actor cancels it."""
        work = self._all[id]
        work.dropped = work.dropped or not work.finished

    def finished(self, id: int) -> None:
        """It has come to its end."""
        self._all[id].finished = True

    def done(self, life: Life, id: int) -> None:
        """Its result is handled."""
        work = self._all[id]
        self._journal.note(f"done {life.name} {id}")
        wrong = {
            "of another incarnation": work.life is not life,
            "for the second time": work.delivered,
            "of a job that never ended": not work.finished,
            "of a job that it has cancelled": work.dropped,
        }
        for what, holds in wrong.items():
            if holds:
                self._journal.breach("P2", f"{life.name} gets a result {what}")
        work.delivered = True

    def at_rest(self) -> None:
        """Every result has been delivered to whoever lives to see it."""
        for id, work in self._all.items():
            if work.finished and not work.dropped and not work.delivered and work.life.idle:
                self._journal.breach("P2", f"{work.life.name} never got the result of job {id}")
