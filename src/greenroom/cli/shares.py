"""What a run says at its start about its deadlines: how they are shared out, and what they cut short."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from greenroom.actors.shares import Shares, Short, shares_of, short_of
from greenroom.specs import TaskSpec

_LINES = 4


class Sharing(Struct, frozen=True):
    """Of all tasks of a run, each only once, with how many tasks it is of."""

    shares: dict[Shares, int]
    short: dict[Short, int]

    @classmethod
    def of(cls, tasks: Sequence[TaskSpec], deadline: float) -> Sharing:
        """``deadline`` is for those that have none of their own."""
        found = cls({}, {})
        for task in tasks:
            shares = shares_of(task, task.deadline or deadline)
            found.shares[shares] = found.shares.get(shares, 0) + 1
            for short in short_of(task, shares):
                found.short[short] = found.short.get(short, 0) + 1
        return found

    def lines(self) -> list[str]:
        """A line for each way in which a deadline is shared out."""
        return _lines({str(shares): count for shares, count in self.shares.items()})

    def warnings(self) -> list[str]:
        """A line for each share that is less than what tasks ask for."""
        return _lines({f"warning: {short}": count for short, count in self.short.items()})


def _lines(counts: dict[str, int]) -> list[str]:
    several = len(counts) > 1
    lines = [f"{text} ({count} task{'s' * (count != 1)})" if several else text for text, count in counts.items()]
    more = len(lines) - _LINES
    return lines if more <= 1 else [*lines[:_LINES], f"... and {more} more, which the log has"]
