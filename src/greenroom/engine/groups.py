"""Outcomes by group: all samples of a task at once, as trainers want them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Self

from greenroom.engine.stream import EngineFailed, OutcomeStream
from greenroom.messages import Outcome


class Group(list[Outcome]):
    """The samples of one task, in their order. It is a list, and knows whether it is all of them."""

    def __init__(self, outcomes: Iterable[Outcome], *, partial: bool = False, recalled: bool = False) -> None:
        super().__init__(sorted(outcomes, key=lambda outcome: outcome.sample))
        self.partial = partial
        """Samples are missing: they were acknowledged before this start of the run and are not given again, or the
        run was stopped before they were submitted. Their mean is not the group's."""
        self.recalled = recalled
        """All of it was kept by earlier starts of the run."""


class Grouping:
    """Puts outcomes together until their group is whole. Pure.

    Args:
        samples: How many make a group.
        missing: How many of a group will not come.
    """

    def __init__(self, samples: int, missing: Callable[[str], int] = lambda _: 0) -> None:
        self._samples = samples
        self._missing = missing
        self._open: dict[str, list[Outcome]] = {}
        self._new: set[str] = set()
        """Groups of which something is not recalled."""

    def add(self, outcome: Outcome, *, recalled: bool = False) -> Group | None:
        """The whole group, if this outcome was the last that was still to come."""
        name = outcome.group
        group = self._open.setdefault(name, [])
        group.append(outcome)
        if not recalled:
            self._new.add(name)
        return None if len(group) + self._missing(name) < self._samples else self._close(name)

    def rest(self) -> Iterator[Group]:
        """Groups that will never be whole, because their run was stopped."""
        while self._open:
            yield self._close(next(iter(self._open)))

    def _close(self, name: str) -> Group:
        outcomes = self._open.pop(name)
        recalled = name not in self._new
        self._new.discard(name)
        return Group(outcomes, partial=len(outcomes) < self._samples, recalled=recalled)


class GroupStream:
    """An async iterator of groups, in the order in which they become whole.

    A group lacks samples that were acknowledged before, and those that had not been submitted when its run was
    stopped; then it is ``partial``. Leaving the loop early cancels what runs, as with `OutcomeStream`.
    """

    def __init__(self, outcomes: OutcomeStream, samples: int) -> None:
        self.outcomes = outcomes
        """What they are put together from."""
        self.recalling = False
        """The group that came last was kept, all of it, by earlier starts of the run."""
        self._grouping = Grouping(samples, lambda group: outcomes.acknowledged.get(group, 0))
        self._rest: Iterator[Group] | None = None
        self._error: EngineFailed | None = None

    @property
    def name(self) -> str:
        """Of the run; its groups' names begin with it."""
        return self.outcomes.name

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Group:
        """The next group. Raises as `OutcomeStream` does, after the groups that will never be whole."""
        group = await self._next_group()
        if group is None:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            raise StopAsyncIteration
        self.recalling = group.recalled
        return group

    async def _next_group(self) -> Group | None:
        while self._rest is None:
            outcome = await self._next_outcome()
            if outcome is None:
                self._rest = self._grouping.rest()
            elif (group := self._grouping.add(outcome, recalled=self.outcomes.recalling)) is not None:
                return group
        return next(self._rest, None)

    async def _next_outcome(self) -> Outcome | None:
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
