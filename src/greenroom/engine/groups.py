"""Outcomes by group: all samples of a task at once, as trainers want them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from greenroom.engine.stream import EngineFailed, OutcomeStream
from greenroom.messages import Outcome


class Grouping:
    """Puts outcomes together until their group is whole. Pure."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._open: dict[str, list[Outcome]] = {}

    def add(self, outcome: Outcome) -> list[Outcome] | None:
        """The whole group in the order of its samples, if this outcome was the last that was missing."""
        group = self._open.setdefault(outcome.group, [])
        group.append(outcome)
        if len(group) < self._samples:
            return None
        return _in_order(self._open.pop(outcome.group))

    def rest(self) -> Iterator[list[Outcome]]:
        """Groups that will never be whole, because their run was stopped."""
        while self._open:
            yield _in_order(self._open.pop(next(iter(self._open))))


class GroupStream:
    """An async iterator of groups, in the order in which they become whole.

    A group of a run that was stopped may lack samples that had not been submitted. Leaving the loop early cancels what
    runs, as with `OutcomeStream`.
    """

    def __init__(self, outcomes: OutcomeStream, samples: int) -> None:
        self.outcomes = outcomes
        """What they are put together from."""
        self._grouping = Grouping(samples)
        self._rest: Iterator[list[Outcome]] | None = None
        self._error: EngineFailed | None = None

    @property
    def name(self) -> str:
        """Of the run; its groups' names begin with it."""
        return self.outcomes.name

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Outcome]:
        """The next group. Raises as `OutcomeStream` does, after the groups that will never be whole."""
        while self._rest is None:
            outcome = await self._next()
            if outcome is None:
                self._rest = self._grouping.rest()
            elif (group := self._grouping.add(outcome)) is not None:
                return group
        for group in self._rest:
            return group
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        raise StopAsyncIteration

    async def _next(self) -> Outcome | None:
        try:
            return await anext(self.outcomes, None)
        except EngineFailed as error:
            self._error = error
            return None

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Cancel what runs and begin no more. The iteration goes on: it gives all groups, and ends."""
        self.outcomes.cancel(reason)

    async def aclose(self) -> None:
        """Cancel what runs, and wait until every outcome is in the store. Idempotent."""
        await self.outcomes.aclose()


def _in_order(group: list[Outcome]) -> list[Outcome]:
    return sorted(group, key=lambda outcome: outcome.sample)
