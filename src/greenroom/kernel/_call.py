"""Asking an actor: delivery, deadline, and what can go wrong on the way."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from greenroom.kernel._ask import Ask, Reply, kind_of
from greenroom.kernel._errors import CallCycle, CallTimeout
from greenroom.kernel._message import may_be_none

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from greenroom.kernel._cell import Cell
    from greenroom.kernel._ref import Ref


class Question(Ask, eq=False):
    """An ask with a deadline."""

    def expire(self) -> None:
        """Called by the wheel when the time is up."""
        text = f"{self.cell.path} did not answer {kind_of(self)} within {self.timeout:g} s"
        if self.settle(None, CallTimeout(text)):
            self.abandon()


class Beginning(Ask, eq=False):
    """Whoever starts an actor waits for it to be ready."""

    def expire(self) -> None:
        """Called by the wheel when the time is up."""
        self.cell.time_out("start")


class Ticket(Ask, eq=False):
    """A place in the line before a mailbox that is full and blocks, with the message that is to go in."""

    def expire(self) -> None:
        """Called by the wheel when the time is up."""
        self.settle(None, CallTimeout(f"{self.cell.path} had no room within {self.timeout:g} s"))


async def ask(ref: Ref, message: object, timeout: float) -> Any:  # noqa: ANN401
    """Put a question and wait for its answer."""
    cell = ref.reach(message)
    system = cell.system
    caller = system.caller()
    if caller is not None:
        refuse_cycle(caller, cell)
    question = Question(system.backend, message, None, cell, timeout)
    if caller is not None:
        caller.waiting_on = question
    bucket = system.wheel.add(question, timeout)
    try:
        if cell.simple:
            cell.user.append(question)
            if cell.waiter is not None:
                system.backend.wake(cell)
        elif cell.blocks:
            await deliver(cell, question, timeout)
        else:
            cell.accept(question)
        if not question.done:
            await system.backend.park(question)
    except BaseException:
        question.abandon()
        raise
    finally:
        bucket.pop(question, None)
        if caller is not None:
            caller.waiting_on = None
    if question.error is not None:
        raise question.error
    return question.value


def answer(cell: Cell, question: Question) -> Coroutine[Any, Any, object] | None:
    """The callee's side: run the handler, and reply. What is left to await is returned."""
    if question.done:
        cell.dead_letter(question.message, "caller gone")
        return None
    handler = cell.handlers.get(question.message.__class__)
    if handler is None:
        cell.refuse(question, cell.no_handler())
        return None
    result: object = handler(cell.actor, question.message)
    if type(result) is CoroutineType:
        return _answer_later(cell, question, cast("Coroutine[Any, Any, object]", result))
    _reply(cell, question, result)
    return None


async def _answer_later(cell: Cell, question: Question, result: Coroutine[Any, Any, object]) -> None:
    _reply(cell, question, await result)


def _reply(cell: Cell, question: Question, result: Any) -> None:  # noqa: ANN401
    if question.deferred or type(result) is Reply or cell.stashed:
        _answered_later(cell, question, result)
    elif result is None and not may_be_none(question.message.__class__):
        raise TypeError(f"{_who(cell, question)} returned None, which is no answer to it: did it forget to return one?")
    elif not question.settle(result):
        cell.dead_letter(question.message, "late reply")


def _answered_later(cell: Cell, question: Question, result: Any) -> None:  # noqa: ANN401
    """Somebody will answer, or handle it again. Raises `TypeError` if nobody can have meant what its handler did."""
    stashed, cell.stashed = cell.stashed, False
    a_reply = isinstance(result, Reply)
    if a_reply and result.answers(question) and not stashed:
        return
    if question.deferred:
        did = "put the call aside" if stashed else f"returned {_short(result)}"
        raise TypeError(f"{_who(cell, question)} took its reply with defer() and has to return that reply, but {did}")
    if a_reply:
        raise TypeError(f"{_who(cell, question)} returned the reply to another call: this one would wait for ever")


def _who(cell: Cell, question: Question) -> str:
    return f"{cell.kind.__name__}'s handler of {kind_of(question)}"


def _short(result: Any) -> str:  # noqa: ANN401
    return "None" if result is None else f"something else: {type(result).__name__}"


async def deliver(cell: Cell, message: object, timeout: float) -> None:
    """Put a message into a mailbox that blocks, in line with whoever else waits for room."""
    box = cell.mailbox
    if not (box.full or box.waiters) or cell.closed:
        cell.accept(message)
        return
    ticket = Ticket(cell.system.backend, message, None, cell, timeout)
    bucket = cell.system.wheel.add(ticket, timeout)
    box.waiters.append(ticket)
    try:
        await ticket.wait()
    finally:
        bucket.pop(ticket, None)
        if ticket in box.waiters:
            box.waiters.remove(ticket)
    if ticket.error is not None:
        raise ticket.error


def refuse_cycle(caller: Cell, callee: Cell) -> None:
    """Raise `CallCycle` if the callee waits for the caller, whatever stands between them."""
    chain: dict[Cell, None] = {caller: None}
    cell: Cell | None = callee
    while cell is not None and cell not in chain:  # others may wait for one another: a stop for whoever calls back
        chain[cell] = None
        ahead = cell.waiting_on
        cell = None if ahead is None or ahead.done else ahead.cell  # one that is answered waits no longer
    if cell is caller:
        raise CallCycle(" -> ".join(link.path for link in (*chain, caller)))
