"""One request under way: the slot its reply goes into, and the token with which it can be answered later.

Every ask ends exactly once: reply, error, timeout, or the caller going away. Whatever comes after that is late, and
late replies are dropped and counted, never delivered (EEP 53 gives Erlang the same rule).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from msgspec import Struct

from greenroom.kernel._mailbox import Own
from greenroom.kernel._message import R

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell


class Ask(Struct, eq=False):
    """The caller's side of one call."""

    backend: Any
    message: Any
    waiter: Any = None
    cell: Any = None
    timeout: float = 0.0
    done: bool = False
    abandoned: bool = False
    deferred: bool = False
    """Its reply was taken with `Actor.defer`."""
    value: Any = None
    error: BaseException | None = None
    on_abandon: Callable[[], None] | None = None

    def settle(self, value: object, error: BaseException | None = None) -> bool:
        """Give the caller its answer. False if it came too late."""
        if self.done:
            return False
        self.done = True
        self.value = value
        self.error = error
        if self.waiter is not None:
            self.backend.wake(self)
        return True

    def abandon(self) -> None:
        """The caller goes away: cancelled, or out of patience."""
        if self.abandoned:
            return
        self.done = self.abandoned = True
        told, self.on_abandon = self.on_abandon, None
        if told is not None:
            told()

    async def wait(self, waiter: Cell | None = None) -> None:
        """Until settled, which may be already. An actor that waits is seen to: a call back to it is a cycle."""
        if self.done:
            return
        if waiter is None:
            await self.backend.park(self)
            return
        waiter.waiting_on = self
        try:
            await self.backend.park(self)
        finally:
            waiter.waiting_on = None


class Reply(Generic[R]):
    """A reply owed. Taken with `Actor.defer`, answered once, from any handler or job of the actor that owes it."""

    __slots__ = ("_ask", "_closed", "_late")

    def __init__(self, ask: Ask, closed: Callable[[Reply[Any]], object], late: Callable[[str], None]) -> None:
        self._ask = ask
        self._closed = closed
        self._late = late

    @property
    def abandoned(self) -> bool:
        """The caller is gone; an answer would be dropped."""
        return self._ask.abandoned

    def answers(self, ask: Ask) -> bool:
        """Whether it is the reply to this call."""
        return self._ask is ask

    def send(self, value: R) -> None:
        """Answer. A second answer, or one that comes too late, is dropped and counted."""
        self._settle(value, None)

    def fail(self, error: Exception) -> None:
        """Answer with an exception, which the caller's `Ref.call` raises."""
        self._settle(None, error)

    def lose(self, error: Exception) -> None:
        """Settle without counting a late answer: the actor that owes the reply has ended."""
        self._ask.settle(None, error)

    def _settle(self, value: object, error: Exception | None) -> None:
        self._closed(self)
        if not self._ask.settle(value, error):
            self._late("late reply")


def kind_of(entry: object) -> str:
    """Name of a message's type, asked or cast."""
    return type(entry.message if isinstance(entry, Ask | Own) else entry).__name__
