"""P5: a supervisor restarts as often as its intensity allows, neither more nor less, and never a temporary child."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.kernel import Escalation, Exit, Shutdown
from tests.simulation.plan import Branch

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life


_EPSILON = 1e-6


class Restarts:
    """The restarts of each supervisor."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._times: dict[Life | None, list[float]] = {}
        self._last: dict[tuple[Life | None, str], float] = {}

    def admitted(self, path: str, why: str) -> None:
        """A supervisor restarts the child at this path."""
        journal = self._journal
        if why.endswith(" on start)") and "ForeignCancel" not in why:
            journal.breach("P3", f"{path} could not be made again: {why}")
        supervisor = journal.lives.at(path.rpartition("/")[0])
        self._times.setdefault(supervisor, []).append(journal.now())
        self._last[supervisor, path] = journal.now()
        most, period = self._limits(supervisor)
        recent = self._within(supervisor, period)
        if recent > most:
            who = supervisor.name if supervisor else "/"
            journal.breach("P5", f"{who} restarts {recent} times within {period:g} s, {most} are allowed")

    def starts(self, life: Life) -> None:
        """A child begins; if it was restarted with a backoff, not before that is over."""
        supervisor, at = life.parent, self._last.pop((life.parent, life.path), None)
        if supervisor is None or at is None or life.node.id == supervisor.actor.hiring:
            return
        assert isinstance(supervisor.node, Branch)
        backoff = supervisor.node.backoff
        if backoff is None or supervisor.node.strategy not in ("one_for_one", "dynamic"):
            return
        waited = self._journal.now() - at
        if waited < backoff.first * (1 - backoff.jitter) - _EPSILON:
            self._journal.breach("P5", f"{life.name} is restarted after {waited:g} s, too early for {backoff}")

    def gives_up(self, supervisor: Life, exit: Exit) -> None:
        """A supervisor begins to end; if it escalates, it had as many restarts as it may."""
        if isinstance(exit, Shutdown) and isinstance(exit.info, Escalation):
            most, period = self._limits(supervisor)
            recent = self._within(supervisor, period)
            if recent < most:
                self._journal.breach("P5", f"{supervisor.name} gives up after {recent} of {most} restarts")

    def ended(self, life: Life) -> None:
        """Somebody ended: a child that was started again must not be a temporary one."""
        if life.node.restart != "temporary" or life.parent is None:
            return
        supervisor = life.parent.actor
        again = [
            other
            for other in self._journal.lives.all
            if other.path == life.path and other.parent is life.parent and other.cell is not None
        ]
        if len(again) > 1 and life.node.id not in supervisor.hired:
            self._journal.breach("P5", f"the temporary {life.name} was started again")

    def pending(self, supervisor: Life) -> bool:
        """Whether a restart may be due, but not yet."""
        assert isinstance(supervisor.node, Branch)
        backoff = supervisor.node.backoff
        return backoff is not None and self._within(supervisor, backoff.limit) > 0

    def _limits(self, supervisor: Life | None) -> tuple[int, float]:
        if supervisor is None:
            return self._journal.plan.intensity, self._journal.plan.period
        assert isinstance(supervisor.node, Branch)
        return supervisor.node.intensity, supervisor.node.period

    def _within(self, supervisor: Life | None, period: float) -> int:
        now = self._journal.now()
        return sum(at >= now - period for at in self._times.get(supervisor, ()))
