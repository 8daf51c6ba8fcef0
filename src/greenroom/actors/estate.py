"""What a run leaves to its consumer when it ends before its time: an outcome for each rollout it was still to give."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable

import anyio
from msgspec import Struct, field

from greenroom.actors.board import Board
from greenroom.actors.journal import Commit, Unstorable
from greenroom.actors.outcome import bare
from greenroom.kernel import CallError, Ref
from greenroom.messages import Outcome

_KEEP_SECONDS = 3.0


class Estate(Struct, eq=False):
    """Shared by a run and its consumer, since nobody can ask an actor that has ended."""

    delivered: int = 0
    """How many outcomes were given before those that are here."""
    outcomes: deque[Outcome] = field(default_factory=deque[Outcome])

    def after(self, received: int) -> Outcome | None:
        """The outcome after the ``received`` first ones of the run; ``None`` if there are no more."""
        while self.outcomes and self.delivered < received:
            self.outcomes.popleft()
            self.delivered += 1
        return self.outcomes[0] if self.outcomes else None


async def keep_last(journal: Ref, outcomes: Collection[Outcome], why: str) -> list[Outcome]:
    """Have outcomes kept while there is a moment left. What cannot be kept is not given as if it were."""
    kept: dict[str, Outcome] = {outcome.rollout_id: bare(outcome, why) for outcome in outcomes}

    async def keep(outcome: Outcome) -> None:
        try:
            await journal.call(Commit(outcome), timeout=math.inf)
        except (CallError, Unstorable):
            return
        kept[outcome.rollout_id] = outcome

    with anyio.move_on_after(_KEEP_SECONDS):
        async with anyio.create_task_group() as tasks:
            for outcome in outcomes:
                tasks.start_soon(keep, outcome)
    return list(kept.values())


def leave(estate: Estate, board: Board, delivered: int, ready: Iterable[Outcome], late: Iterable[Outcome]) -> None:
    """Fill it: with the outcomes that were announced already, and those that nobody has counted yet."""
    estate.delivered = delivered
    estate.outcomes.extend(ready)
    for outcome in late:
        board.count(outcome)
        estate.outcomes.append(outcome)
