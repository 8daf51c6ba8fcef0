"""A mailbox: two lanes, and what happens when the user lane is full. Pure: no await, no clock.

The system lane takes exits, stops, suspensions and the like. It is never bounded, since only the kernel writes to it,
and it is looked at between any two messages of the user lane. The user lane is first in, first out for all senders
together, hence for each of them.

===========  =====================================================
overflow     a message that finds the user lane full
===========  =====================================================
fail         is refused: `MailboxFull` at the sender
drop_new     goes to the dead letters
drop_old     is taken; the oldest one goes to the dead letters
block        waits at the sender, who uses `Ref.send` or `Ref.call`; a cast is refused
===========  =====================================================
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from greenroom.kernel._ask import Ask

Overflow = Literal["fail", "block", "drop_new", "drop_old"]

_FIRST_MARK = 1000


class Own(Struct, eq=False):
    """One of the kernel's own messages, a timer's or a `Down`, in a mailbox that drops the oldest: never that one."""

    message: Any


class Mailbox:
    """What waits for one incarnation of an actor."""

    __slots__ = ("high", "limit", "mark", "overflow", "system", "user", "waiters")

    def __init__(self, limit: float = math.inf, overflow: Overflow = "fail") -> None:
        self.system: deque[Any] | None = None
        """Made for the first signal; most actors get a single one in their lives."""
        self.user: deque[Any] = deque()
        self.limit = limit
        self.overflow = overflow
        self.high = 0
        """The most that ever waited."""
        self.mark = _FIRST_MARK
        self.waiters: list[Ask] = []
        """Senders that wait for room, in the order in which they came."""

    def rose(self, waiting: int) -> bool:
        """Note how many wait, more than ever; whether that is worth telling: 1000, 2000, 4000 and so on."""
        self.high = waiting
        if waiting < self.mark:
            return False
        while self.mark <= waiting:
            self.mark *= 2
        return True

    @property
    def full(self) -> bool:
        """Whether the user lane is at its bound."""
        return len(self.user) >= self.limit

    def offer(self, message: object) -> object | None:
        """Take a message; returns what was pushed out by it, itself if it was not taken."""
        user = self.user
        if len(user) >= self.limit:
            if self.overflow != "drop_old":
                return message
            at = next((at for at, entry in enumerate(user) if type(entry) is not Own), None)
            if at is None:
                return message
            oldest: object = user[at]
            del user[at]
            user.append(message)
            return oldest
        user.append(message)
        return None
