"""P7: each call ends exactly once, in time, and what it ends with is the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from greenroom.kernel import CallTimeout, NotDelivered, ReplyLost
from greenroom.kernel._errors import CallCycle
from tests.simulation.messages import Refusal, answer_to, is_refused

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life

_SLACK = 1 / 32
"""The share of its time-out by which a call may end late: the kernel's wheel is that coarse."""
_EPSILON = 1e-3


class Question(Struct, eq=False):
    """One call."""

    id: int
    path: str
    began: float
    timeout: float
    callee: Life | None
    caller: Life | None
    """The actor whose own task makes the call, and waits."""
    ended: str = ""
    answered: bool = False
    circular: bool = False
    """The callee waited for the caller already."""


class Calls:
    """All calls there ever were."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: dict[int, Question] = {}
        self._open: dict[Life, Question] = {}
        self._dismissals: dict[Life, str] = {}
        """Who has somebody stopped, and by which supervisor, which waits for that."""
        self._late: Counter[str] = Counter()
        """Replies sent to callers that were gone."""

    def asked(self, id: int, path: str, timeout: float, *, callee: Life | None, caller: Life | None) -> None:
        """Somebody is about to call."""
        question = self._all[id] = Question(id, path, self._journal.now(), timeout, callee, caller)
        if caller is not None:
            question.circular = caller.over_at is None and self._is_cycle(question)
            self._open[caller] = question

    @contextmanager
    def dismissing(self, life: Life, path: str) -> Generator[None]:
        """While somebody has that actor stopped."""
        self._dismissals[life] = path.rpartition("/")[0]
        try:
            yield
        finally:
            self._dismissals.pop(life, None)

    def answered(self, id: int) -> None:
        """The callee is about to reply."""
        question = self._all[id]
        question.answered = True
        self._late[question.path] += bool(question.ended)

    def ended(self, id: int, error: BaseException | None, value: object = None) -> None:
        """The caller has its answer, or an error."""
        question = self._all[id]
        outcome = "reply" if error is None else type(error).__name__
        self._journal.note(f"call {id} of {question.path} ends: {outcome}")
        if question.caller is not None:
            self._open.pop(question.caller, None)
        if question.ended:
            self._breach(question, f"ended twice: {question.ended}, {outcome}")
        question.ended = outcome
        self._in_time(question)
        circular = isinstance(error, CallCycle)
        self._true(question, circular or not question.circular, f"would wait for itself, but ends with {outcome}")
        if error is None:
            self._true(question, question.answered and value == answer_to(id), f"got {value!r}")
        else:
            self._true_error(question, error)

    def closed(self, id: int, error: BaseException | None) -> None:
        """As `ended`, for a call of which nothing is known but its time."""
        question = self._all[id]
        if question.ended:
            self._breach(question, "ended twice")
        question.ended = "reply" if error is None else type(error).__name__
        self._journal.note(f"call {id} of {question.path} ends: {question.ended}")
        self._in_time(question)

    def _true_error(self, question: Question, error: BaseException) -> None:
        taken = self._journal.mail.fates[question.id].taken_by
        match error:
            case CallCycle():
                self._true(question, self._may_be_cycle(question), f"is no cycle: {error}")
            case NotDelivered():
                self._true(question, taken is None, "was delivered, but its error says it was not")
            case ReplyLost():
                ending = question.callee is not None and question.callee.cell.verdict is not None
                self._true(question, ending, "lost its reply, but the callee is not ending")
            case CallTimeout():
                early = self._journal.now() < question.began + question.timeout - _EPSILON
                self._true(question, not early, "timed out early")
                ignored = taken is None and question.callee is not None and question.callee.listens(self._journal.now())
                self._true(question, not ignored, "timed out, though the callee had nothing else to do")
            case Refusal():
                self._true(question, is_refused(question.id), "was not refused")
            case _:
                pass

    def _in_time(self, question: Question) -> None:
        now, callee = self._journal.now(), question.callee
        latest = question.began + question.timeout * (1 + _SLACK) + _EPSILON
        self._true(question, now <= latest, f"took {now - question.began:g} s of {question.timeout:g} s")
        if callee is not None and callee.over_at is not None:
            ends = max(question.began, callee.over_at)
            self._true(question, now <= ends + _EPSILON, f"went on after {callee.name} had ended")

    def _is_cycle(self, question: Question) -> bool:
        """Whether the callee waits, through whomever, for the caller."""
        life = question.callee
        while life is not None and life is not question.caller:
            ahead = self._open.get(life)
            life = None if ahead is None or not self._waits(ahead) else ahead.callee
        return life is not None

    def _may_be_cycle(self, question: Question) -> bool:
        """Whether it may be so, with supervisors between them that wait for the end of a child."""
        reached = [] if question.callee is None else [question.callee]
        for life in reached:
            reached += [other for other in self._may_wait_for(life) if other not in reached]
        return question.caller in reached

    def _may_wait_for(self, life: Life) -> list[Life]:
        ahead, above = self._open.get(life), self._dismissals.get(life)
        others = [] if above is None else self._journal.lives.under(above)
        if ahead is not None and ahead.callee is not None and self._may_wait(ahead):
            others.append(ahead.callee)
        return others

    def _may_wait(self, question: Question) -> bool:
        """No answer is on its way."""
        return not (question.answered or question.ended)

    def _waits(self, question: Question) -> bool:
        """Neither is an error."""
        over = question.callee is None or question.callee.over_at is not None or question.callee.forgets
        expired = self._journal.now() >= question.began + question.timeout
        return self._may_wait(question) and not over and not expired

    def at_end(self) -> None:
        """No call is open, and every late reply was counted."""
        for path, count in self._late.items():
            counted = self._journal.mail.late[path]
            if counted < count:
                self._journal.breach("P7", f"{path} sent {count} late replies, of which {counted} were counted")
        for question in self._all.values():
            if not question.ended:
                self._breach(question, "never ended")

    def _true(self, question: Question, holds: bool, text: str) -> None:  # noqa: FBT001
        if not holds:
            self._breach(question, text)

    def _breach(self, question: Question, text: str) -> None:
        self._journal.breach("P7", f"call {question.id} of {question.path} {text}")
