"""Sending: the one way in which anybody in a simulation casts, sends or calls, so that all of it is accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from greenroom.kernel import CallError, CallTimeout, MailboxFull, NotDelivered, Ref
from greenroom.kernel._errors import CallCycle
from tests.simulation.messages import Letter, Note, Query, Quiz, Refusal
from tests.simulation.plan import Deed

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.promises.lives import Life
    from tests.simulation.promises.mail import Fate
    from tests.simulation.stage import Stage

_NEEDS_A_COROUTINE = {"call", "dismiss", "send", "sleep"}


class Post:
    """One sender: a task of an actor, or one outside."""

    def __init__(self, stage: Stage, name: str, life: Life | None = None, *, job: bool = False) -> None:
        self._stage = stage
        self._journal: Journal = stage.journal
        self._name = name
        self._life = life
        self._waits = None if job else life

    def split(self, number: int) -> Post:
        """One more sender like this one."""
        return Post(self._stage, f"{self._name}.{number}")

    def cast(self, path: str, deeds: tuple[Deed, ...]) -> None:
        """Cast a message, to whoever lives there or to the name."""
        message, fate, ref, callee = self._address(path, deeds)
        room = None if fate.mourned else self._journal.bounds.before(callee)
        try:
            ref.cast(message)
            fate.accepted = True
        except MailboxFull:
            fate.accepted = False
        self._journal.bounds.cast(room, message, accepted=fate.accepted)
        self._journal.note(f"cast {self._name} -> {path} {message.id} {fate.accepted}")

    async def send(self, path: str, deeds: tuple[Deed, ...], timeout: float) -> None:
        """Send a message, waiting for room."""
        message, fate, ref, callee = self._address(path, deeds)
        self._journal.note(f"send {self._name} -> {path} {message.id}")
        began = self._journal.now()
        bounds = self._journal.bounds
        bounds.lines_up(bounds.before(callee), message.id, timeout)
        try:
            await ref.send(message, timeout)
            fate.accepted = True
        except (MailboxFull, CallTimeout) as error:
            fate.accepted = False
            if isinstance(error, CallTimeout):
                bounds.gave_up(message.id, callee, early=self._journal.now() < began + timeout)
        finally:
            bounds.gone(message.id)

    async def call(self, path: str, deeds: tuple[Deed, ...], timeout: float) -> None:
        """Call, and see how that ends."""
        message, fate, ref, callee = self._question(path, deeds)
        calls = self._journal.calls
        self._journal.note(f"call {self._name} -> {path} {message.id} for {timeout:g} s")
        room = self._journal.bounds.before(callee)
        self._journal.bounds.lines_up(room, message.id, timeout)
        calls.asked(message.id, path, timeout, callee=callee, caller=self._waits)
        try:
            value = await ref.call(message, timeout)
        except (CallError, Refusal) as error:
            fate.accepted = _accepted(error, callee)
            self._journal.bounds.called(room, error)
            calls.ended(message.id, error)
        except anyio.get_cancelled_exc_class() as error:
            calls.ended(message.id, error)
            raise
        else:
            fate.accepted = True
            calls.ended(message.id, None, value)
        finally:
            self._journal.bounds.gone(message.id)

    def _address(self, path: str, deeds: tuple[Deed, ...]) -> tuple[Letter, Fate, Ref, Life | None]:
        kind = Letter if _long(deeds) else Note
        id, fate, ref, callee = self._envelope(path)
        return kind(id, self._name, _meant(ref, callee), deeds), fate, ref, callee

    def _question(self, path: str, deeds: tuple[Deed, ...]) -> tuple[Query, Fate, Ref, Life | None]:
        kind = Query if _long(deeds) else Quiz
        id, fate, ref, callee = self._envelope(path)
        return kind(id, self._name, _meant(ref, callee), deeds), fate, ref, callee

    def _envelope(self, path: str) -> tuple[int, Fate, Ref, Life | None]:
        id = next(self._journal.ids)
        ref = self._stage.lookup(path)
        cell = ref.resolve()
        if cell is not None and id % 2:
            ref = cell.ref
        return id, self._journal.mail.sent(id, path, self._life), ref, self._journal.lives.of(cell)


def _accepted(error: Exception, callee: Life | None) -> bool | None:
    if isinstance(error, CallCycle) or callee is None:
        return False
    if isinstance(error, NotDelivered):
        return True  # and refused at once, which makes it a dead letter
    return None


def _meant(ref: Ref, callee: Life | None) -> int:
    return callee.number if callee is not None and type(ref) is Ref else 0


def _long(deeds: tuple[Deed, ...]) -> bool:
    return any(deed.verb in _NEEDS_A_COROUTINE for deed in deeds)
