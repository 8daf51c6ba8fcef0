"""Following one actor's messages, live.

A trace is bounded and stops by itself. An actor that is not traced pays one look per batch of messages, one per send.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Self

from msgspec import Struct

from greenroom.kernel._ask import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.kernel._cell import Cell


class Traced(Struct, frozen=True):
    """One thing an actor did."""

    kind: Literal["in", "out", "done"]
    """``in``: took a message into its handler. ``out``: sent one. ``done``: its handler returned."""
    message: str
    """Type of the message."""
    at: float
    """Seconds on the event loop's clock."""
    peer: str = ""
    """Path of whom it was sent to."""
    seconds: float = 0.0
    """How long the handler took, on a real clock."""


class Trace:
    """A bounded record of one actor. Iterate it until it stops, or leave its ``with`` block."""

    def __init__(self, cell: Cell, limit: int) -> None:
        self._cell = cell
        self._left = limit
        self._records: deque[Traced] = deque()
        self.waiter: Any = None
        self._backend = cell.system.backend
        self._open = True
        if cell.tracer is not None:
            cell.tracer.close()
        cell.handle_by(cell.handlers, self)
        cell.system.wary += 1

    def around(
        self,
        entry: object,
        handle: Callable[[Any], Coroutine[Any, Any, object] | None],
    ) -> Coroutine[Any, Any, object] | None:
        """Handle a message and time it."""
        kind = kind_of(entry)
        self.note(Traced("in", kind, self._now()))
        start = time.perf_counter()
        unfinished = handle(entry)
        if unfinished is not None:
            return self._finish(kind, start, unfinished)
        self._done(kind, start)
        return None

    async def _finish(self, kind: str, start: float, unfinished: Coroutine[Any, Any, object]) -> None:
        await unfinished
        self._done(kind, start)

    def _done(self, kind: str, start: float) -> None:
        self.note(Traced("done", kind, self._now(), seconds=time.perf_counter() - start))

    def note(self, record: Traced) -> None:
        """Keep one record, and stop after the last."""
        if not self._open:
            return
        self._records.append(record)
        self._left -= 1
        self._backend.wake(self)
        if self._left <= 0:
            self.close()

    def take(self) -> list[Traced]:
        """All records that wait to be read."""
        records = list(self._records)
        self._records.clear()
        return records

    def close(self) -> None:
        """Stop. Idempotent; what was recorded can still be read."""
        if not self._open:
            return
        self._open = False
        self._cell.system.wary -= 1
        if self._cell.tracer is self:
            self._cell.handle_by(self._cell.handlers, None)
        self._backend.wake(self)

    def _now(self) -> float:
        return self._cell.system.backend.now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Traced:
        while not self._records:
            if not self._open:
                raise StopAsyncIteration
            await self._backend.park(self)
        return self._records.popleft()


def may_send(sender: Cell | None, target: Cell, message: object) -> bool:
    """Look at a sender: record what it sends if it is traced; False if it was abandoned and has no say any more."""
    if sender is None:
        return True
    if sender.tracer is not None:
        sender.tracer.note(Traced("out", type(message).__name__, target.system.backend.now(), peer=target.path))
    if sender.closed:
        target.dead_letter(message, f"sent by {sender.path}, which was abandoned")
    return not sender.closed
