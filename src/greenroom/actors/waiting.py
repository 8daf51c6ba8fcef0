"""Rollouts that wait for a slot, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from greenroom.actors.admission import Turns, Wish
from greenroom.actors.plan import RolloutPlan
from greenroom.kernel import Ref, Reply


class Entry(Wish, eq=False):
    """One of them."""

    plan: RolloutPlan
    submitter: Ref
    reply: Reply[Ref]
    told: bool = False
    """Its run knows that others may go first."""


class Waiting:
    """All of them, in the order of asking."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._runs: set[Ref] = set()
        self._turns = Turns()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def add(self, plan: RolloutPlan, run: Ref, reply: Reply[Ref]) -> bool:
        """Wait with it; true if this is the first that this run waits with."""
        self._entries[plan.rollout_id] = Entry(run, plan.priority, plan.weight, plan.keys, plan, run, reply)
        new = run not in self._runs
        self._runs.add(run)
        return new

    def first(self, may: Callable[[Entry], bool]) -> Entry | None:
        """The one that begins next, of those that may."""
        return self._turns.first(self._entries.values(), may)

    def took(self, entry: Entry) -> None:
        """It begins."""
        self.drop(entry)
        self._turns.took(entry)

    def drop(self, entry: Entry) -> None:
        """It waits no longer."""
        self._entries.pop(entry.plan.rollout_id, None)

    def of(self, run: Ref, rollout_id: str = "") -> list[Entry]:
        """Those of a run, or one of them."""
        mine = [entry for entry in self if entry.submitter == run]
        return [entry for entry in mine if rollout_id in {"", entry.plan.rollout_id}]

    def untold(self, which: Callable[[Entry], bool]) -> list[Entry]:
        """Of these, those whose run does not know yet that others may go first. From now on it does."""
        found = [entry for entry in self._entries.values() if not entry.told and which(entry)]
        for entry in found:
            entry.told = True
        return found

    def forget(self, run: Ref) -> None:
        """The run has ended."""
        for entry in self.of(run):
            self.drop(entry)
        self._runs.discard(run)
        self._turns.forget(run)
