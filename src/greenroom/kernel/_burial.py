"""The end of a cell, told to everybody it concerns.

This is the one place where that happens, and it is synchronous: nobody ever sees half a death.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.kernel._ask import Ask
from greenroom.kernel._errors import ReplyLost, StartFailed
from greenroom.kernel._exit import Exit, Normal, Shutdown
from greenroom.kernel._signals import ChildExited, Down, Linked

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell


def bury(cell: Cell) -> None:
    """Declare a cell dead, with its verdict as the exit. Idempotent."""
    if cell.closed:
        return
    cell.closed = True
    cell.simple = False
    cell.state = "dead"
    exit = cell.verdict = cell.verdict or Normal()
    ready = cell.ready
    was_ready = ready is None or (ready.done and ready.error is None)
    cell.put_off_strikes()
    for timer in cell.timers.values():
        timer.cancel()
    if cell.tracer is not None:
        cell.tracer.close()
    _end_asks(cell)
    abandon_jobs(cell)
    # No actor outlives its supervisor. One that ended in order has stopped them long before.
    for kid in reversed(list(cell.kids.values())):
        kid.ask_stop(Shutdown("supervisor died"), kid.grace)
    cell.system.leave(cell)
    if ready is not None and not ready.done:
        cell.ignored = not exit.abnormal
        ready.settle(None, None if cell.ignored else StartFailed(cell.spec.id, exit))
    _tell(cell, exit, parent=was_ready and not cell.expected)


def lose_in_hand(cell: Cell) -> None:
    """Nobody will answer the message that was in hand when its handler was left."""
    if isinstance(cell.in_hand, Ask):
        cell.in_hand.settle(None, _lost(cell))
    cell.in_hand = None


def abandon_jobs(cell: Cell) -> None:
    """Give up waiting for jobs that ignore their cancellation."""
    for job in cell.jobs:
        cell.system.abandon(job, cell.path, f"its {job.name}")


def _lost(cell: Cell) -> ReplyLost:
    return ReplyLost(f"{cell.path} ended with the message in hand: {cell.verdict}")


def _end_asks(cell: Cell) -> None:
    lose_in_hand(cell)
    if cell.owed:
        lost = _lost(cell)
        for reply in list(cell.owed):
            reply.lose(lost)
    cell.unstash()
    for entry in cell.mailbox.user:
        cell.refuse(entry, "dead")
    cell.mailbox.user.clear()
    cell.let_in()


def _tell(cell: Cell, exit: Exit, *, parent: bool) -> None:
    for watcher in cell.watchers:
        watcher.settle(exit)
    for monitor, ref in cell.monitors:
        monitor.monitored.pop(cell, None)
        monitor.tell(Down(ref, exit))
    for target in cell.monitored:
        target.monitors = [entry for entry in target.monitors if entry[0] is not cell]
    for linked in cell.links:
        linked.links.pop(cell, None)
        linked.signal(Linked(cell.ref, exit))
    if cell.parent is not None and parent:
        cell.parent.signal(ChildExited(cell.spec.id, cell, exit))
    cell.system.report(cell, exit)
