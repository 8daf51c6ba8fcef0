"""What an author of actors writes against."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from greenroom.kernel._ask import Ask, Reply, kind_of
from greenroom.kernel._call import Question, answer
from greenroom.kernel._cell import Cell
from greenroom.kernel._exit import Exit, NoProc, Normal
from greenroom.kernel._job import Job
from greenroom.kernel._mailbox import Own
from greenroom.kernel._message import Handler, handlers
from greenroom.kernel._ref import NamedRef, Ref
from greenroom.kernel._rest import Rest
from greenroom.kernel._signals import Down, Linked

if TYPE_CHECKING:
    from greenroom.kernel._system import System


class Actor:
    """State in attributes, one message at a time.

    Subclasses mark handlers with `on` and may override ``started``, ``stopped`` and ``observe``. No two callbacks of
    one actor ever run at the same time, so nothing needs a lock. A callback that raises ends the actor as `Crashed`;
    what happens then is its supervisor's decision. Slow work belongs into `run`, so that the actor stays responsive.
    In ``__init__`` the actor is not yet part of a system: use ``started`` for what needs one.
    """

    __tables__: ClassVar[dict[str, dict[type, Handler]]] = {"": {}}
    __handles__: ClassVar[frozenset[type]] = frozenset()
    __state__: str = ""
    """Which handlers apply, see `become`. A class may set the one it begins in."""
    supervises: ClassVar[bool] = False
    """Whether it is a supervisor, which by default may take as long as its children to stop."""
    trap_exits: bool = False
    """If true, the end of a linked actor arrives as `Down` instead of taking this one along."""
    _cell: Cell

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        cls.__tables__ = handlers(cls)
        cls.__handles__ = frozenset(message for table in cls.__tables__.values() for message in table)
        for table in cls.__tables__.values():
            table[Question] = Actor._answer
            table[Own] = Actor._handle_own

    # To override.

    async def started(self) -> None:
        """Make ready. Whoever starts this actor waits for it; raising means it did not start."""

    async def stopped(self, exit: Exit) -> None:
        """Clean up. Runs once, shielded from cancellation, within the shutdown budget; also when ``started`` raised.

        It does not run when the actor is brutally killed: what must survive that belongs to a supervisor or a reaper.
        """

    def observe(self) -> Struct | None:
        """A small snapshot of the state, for tests and for whoever looks. Synchronous and cheap; changes nothing."""
        return None

    def child_order(self) -> Sequence[str]:
        """Ids of the children, in the order in which to show them; a supervisor's own affair."""
        return ()

    def resting_children(self) -> Sequence[Rest]:
        """Children that were given up for a while; a supervisor's own affair."""
        return ()

    # To use.

    @property
    def ref(self) -> Ref:
        """Address of this incarnation."""
        return self._cell.ref

    @property
    def parent(self) -> Ref:
        """Address of the supervisor."""
        parent = self._cell.parent
        if parent is None:
            text = f"{self._cell.path} is the root: it has no parent"
            raise LookupError(text)
        return parent.ref

    @property
    def system(self) -> System:
        """The system this actor lives in."""
        return self._cell.system

    def sibling(self, id: str) -> Ref:
        """Named address of another child of the same supervisor."""
        return NamedRef(self._cell.system, f"{self.parent.path.rstrip('/')}/{id}")

    def stop(self, exit: Exit | None = None) -> None:
        """End with ``exit``, by default `Normal`, after the current callback."""
        self._cell.verdict = self._cell.verdict or exit or Normal()

    def after(self, delay: float, message: object, key: object = None) -> object:
        """Cast ``message`` to this actor after ``delay`` seconds; returns the timer's key.

        A timer with the same key is replaced. Timers end with their incarnation; a restarted actor never sees them.
        """
        cell = self._own()
        key = object() if key is None else key
        self.cancel_timer(key)

        def fire() -> None:
            del cell.timers[key]
            cell.tell(message)

        self._check(message)
        cell.timers[key] = cell.system.timers.after(delay, fire)
        return key

    def cancel_timer(self, key: object) -> None:
        """Cancel the timer with this key, if there is one."""
        timer = self._cell.timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def run(
        self, work: Coroutine[Any, Any, Any], then: Callable[[Any], object] | None = None, name: str = "job"
    ) -> Job:
        """Run ``work`` in the background as this actor's own.

        What ``then`` makes of its result is cast to this actor. If it raises, this actor crashes of that. When the
        actor ends, its jobs are cancelled and waited for before ``stopped`` runs.
        """
        try:
            cell = self._own()
        except RuntimeError:
            work.close()
            raise
        return cell.run(work, then, name)

    def defer(self, abandoned: object = None) -> Reply[Any]:
        """Take the reply to the call in hand, once, to answer later. The handler has to return it.

        If the caller goes away first, ``abandoned`` is cast to this actor. Raises `TypeError` without a call in hand,
        and the second time. A handler that does not return what it has taken crashes its actor.
        """
        cell = self._cell
        ask = cell.in_hand
        if not isinstance(ask, Ask):
            text = "defer() needs a call in hand"
            raise TypeError(text)
        if ask.deferred:
            text = f"{type(self).__name__} has taken the reply to {kind_of(ask)} already: a call is answered once"
            raise TypeError(text)
        if abandoned is not None:
            self._check(abandoned)
        ask.deferred = True
        if abandoned is not None:
            ask.on_abandon = lambda: cell.tell(abandoned)
        reply: Reply[Any] = Reply(
            ask, lambda reply: cell.owed.pop(reply, None), lambda why: cell.dead_letter(ask.message, why)
        )
        cell.owed[reply] = None
        return reply

    def become(self, state: str) -> None:
        """From the next message on, handle as marked with ``on(..., state=state)``, and bring back what was stashed.

        A message that the state has no handler for is refused if it is a call, else a dead letter.
        """
        if state not in self.__tables__:
            text = f"{type(self).__name__} has no state {state!r}; it has {', '.join(sorted(self.__tables__))}"
            raise ValueError(text)
        self.__state__ = state
        self._cell.handle_by(self.__tables__[state], self._cell.tracer)
        self._cell.unstash()

    def stash(self) -> None:
        """Put the message in hand aside; it is handled again, before all others, after the next `become`."""
        self._cell.put_aside()

    def join(self, group: str) -> None:
        """Become a member of a group, see `System.members`. Membership ends with this incarnation, or by `leave`.

        Joining twice makes two memberships, as in OTP's ``pg``.
        """
        cell = self._own()
        self.system.groups.setdefault(group, []).append(cell)

    def leave(self, group: str) -> None:
        """End one membership, if there is one."""
        self.system.quit_group(group, self._cell)

    def monitor(self, ref: Ref) -> None:
        """Have a `Down` with ``ref`` cast to this actor when ``ref`` ends, at once if it has.

        A name that nobody holds is down with `NoProc`. Needs a handler for `Down`, and raises `TypeError` without.
        """
        if Down not in self.__handles__:
            text = f"{type(self).__name__} monitors but has no handler for Down"
            raise TypeError(text)
        target = ref.resolve()
        if target is None or target.closed:
            self._cell.tell(Down(ref, _end_of(target)))
        else:
            target.monitors.append((self._cell, ref))
            self._cell.monitored[target] = None

    def link(self, ref: Ref) -> None:
        """Share the fate of ``ref``: if either ends other than normally, so does the other, unless it traps exits.

        One that has ended already shares its end; a name that nobody holds ends this actor with `NoProc`.
        """
        target = ref.resolve()
        if target is None or target.closed:
            self._cell.signal(Linked(ref, _end_of(target)))
            return
        self._cell.links[target] = None
        target.links[self._cell] = None

    def bind(self, cell: Cell) -> None:
        """Called once by the system, before ``started``."""
        self._cell = cell

    def _answer(self, question: Question) -> object:
        """Calls are found in the table like any message; what they ask is looked up behind them."""
        return answer(self._cell, question)

    def _handle_own(self, own: Own) -> object:
        return self._cell.handle_own(own.message)

    def _own(self) -> Cell:
        """Its cell, unless it was abandoned and may begin nothing any more."""
        if self._cell.closed:
            text = f"{self._cell.path} was abandoned: it has no say any more"
            raise RuntimeError(text)
        return self._cell

    def _check(self, message: object) -> None:
        if type(message) not in self.__handles__:
            text = f"{type(self).__name__} has no handler for {type(message).__name__}"
            raise TypeError(text)


def _end_of(cell: Cell | None) -> Exit:
    """How an actor that is not there, or not any more, has ended."""
    return NoProc() if cell is None else cell.verdict or Normal()
