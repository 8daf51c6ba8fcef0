"""Actors that do not get on: a handler past its budget, or one that holds the whole event loop.

Nothing is done per message. A slow handler shows when the system's actors are looked over from time to time and one of
them still has the same message in hand; a held loop, when it does not answer a thread of ours in time, which then takes
the stack of the loop's thread and finds the actor in it. Both name the actor and where it stands, and touch nothing.
"""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType
from typing import TYPE_CHECKING

from greenroom.kernel._status import stack

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._system import System


class HandlerWatch:
    """Reports `Event` ``frozen`` for each message in hand longer than ``budget`` seconds, once."""

    def __init__(self, system: System, budget: float) -> None:
        self._system = system
        self._budget = budget
        self._seen: dict[Cell, tuple[object, int]] = {}
        self._told: dict[Cell, object] = {}
        self._timer = system.timers.after(budget, self._look)

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def _look(self) -> None:
        busy = {cell: (cell.in_hand, cell.handled) for cell in self._system.cells.values() if cell.in_hand is not None}
        for cell, state in busy.items():
            if _same(self._seen.get(cell), state) and self._told.get(cell) is not cell.in_hand:
                self._told[cell] = cell.in_hand
                self._system.emit("frozen", cell.path, "\n".join(stack(cell.task)))
        self._told = {cell: message for cell, message in self._told.items() if cell in busy}
        self._seen = busy
        self._timer = self._system.timers.after(self._budget, self._look)


class LoopWatch:
    """Reports `Event` ``loop_held`` when the event loop takes longer than ``budget`` seconds to come round."""

    def __init__(self, system: System, budget: float) -> None:
        self._system = system
        self._budget = budget
        self._thread_id = threading.get_ident()
        self._round = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="greenroom loop watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._round.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._round.clear()
            if self._closed.is_set():  # since the loop, which waits for this thread, comes round no more
                return
            if not self._system.backend.call_from_thread(self._round.set):
                return
            if not self._round.wait(self._budget):
                self._tell()
                self._round.wait()
            self._closed.wait(self._budget / 2)

    def _tell(self) -> None:
        # The only way to see another thread's stack.
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if frame is None:
            return
        path = _cell_path(frame)
        where = "".join(traceback.format_stack(frame)[-12:])
        self._system.backend.call_from_thread(lambda: self._system.emit("loop_held", path, where))


def _same(before: tuple[object, int] | None, now: tuple[object, int]) -> bool:
    # Messages are their authors': some cannot be compared, or compare to something that is neither true nor false.
    return before is not None and before[0] is now[0] and before[1] == now[1]


def _cell_path(frame: FrameType | None) -> str:
    """Path of the actor whose loop is on this stack."""
    while frame is not None:
        if frame.f_code.co_name == "_serve" and "actor" in frame.f_locals:
            return str(frame.f_locals["self"].path)
        frame = frame.f_back
    return "/"
