"""The world of a tree of actors. There is no default one: each program, and each test, opens its own.

Leaving it stops every actor in order, whatever made it leave: the end of the block, an exception, a cancellation from
outside. No task outlives it; one that ignores three cancellations is named and abandoned.
"""

from __future__ import annotations

import logging
import math
import random
import sys
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import anyio

from greenroom.kernel._actor import Actor
from greenroom.kernel._ask import Ask
from greenroom.kernel._backend import current_backend
from greenroom.kernel._cell import Cell
from greenroom.kernel._childspec import ChildSpec
from greenroom.kernel._crash import consists_of, crashed
from greenroom.kernel._errors import StartFailed, SystemFailed
from greenroom.kernel._events import Event, EventKind, Subscription
from greenroom.kernel._exit import Crashed, Exit, Shutdown
from greenroom.kernel._job import Job
from greenroom.kernel._ref import NamedRef, Ref, current
from greenroom.kernel._rest import Rest
from greenroom.kernel._signals import Replace, Suspend
from greenroom.kernel._status import ActorDetail, ActorStatus, detail, resting, walk
from greenroom.kernel._supervisor import Supervisor
from greenroom.kernel._timers import Timers, Wheel
from greenroom.kernel._trace import Trace
from greenroom.kernel._watch import HandlerWatch, LoopWatch

_live: weakref.WeakSet[System] = weakref.WeakSet()


_log = logging.getLogger("greenroom.kernel")
_LIFETIME = object()


def live_systems() -> list[System]:
    """Systems that were entered and not left: what a leak check looks at."""
    return list(_live)


class System:
    """Opened with ``async with``; it ends in the task that opened it.

    Args:
        name: for logs and for whoever looks.
        shutdown: seconds that leaving may take before everything still alive is cancelled.
        strict: leaving with actors still alive is an error, which names them. For tests.
        fence_after: seconds an actor may take to obey a cancellation before it is struck again, and then abandoned.
        intensity: restarts of top-level children allowed within ``period`` seconds.
        period: seconds.
        seed: of the randomness in backoffs.
        handler_budget: seconds a handler may take before its actor is reported as `frozen`, see `Event`.
        loop_budget: seconds the event loop may be held before the actor that holds it is reported, ``loop_held``. A
            thread of the system's own watches; infinity, the default, starts none.
        expected: exceptions by which actors end in the ordinary course of things: they are logged at level debug, all
            other crashes at level error, with their traceback.

    Raises on leaving:
        SystemFailed: the root supervisor gave up; the block was cancelled because of it.
    """

    plain = Actor

    def __init__(
        self,
        name: str = "system",
        *,
        shutdown: float = 30.0,
        strict: bool = False,
        fence_after: float = 5.0,
        intensity: int = 3,
        period: float = 5.0,
        seed: int | None = None,
        handler_budget: float = math.inf,
        loop_budget: float = math.inf,
        expected: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.name = name
        self.fence_after = fence_after
        self.random = random.Random(seed)  # noqa: S311 - jitter, no secrets
        self.cells: dict[str, Cell] = {}
        self.groups: dict[str, list[Cell]] = {}
        self.wary = 0
        """How many are traced, or abandoned but still there: while there are any, senders are looked at."""
        self.zombies: set[Cell | Job] = set()
        self.dead_letters = 0
        self._shutdown = shutdown
        self._strict = strict
        self._root_spec = ChildSpec(
            "root",
            lambda: Supervisor(strategy="dynamic", intensity=intensity, period=period),
            restart="temporary",
            start_timeout=math.inf,
        )
        self._tasks = 0
        self._idle: Ask | None = None
        self._subscriptions: list[Subscription] = []
        self._failure: BaseException | None = None
        self._leaving = False
        self._budgets = handler_budget, loop_budget
        self._watches: list[HandlerWatch | LoopWatch] = []
        self._expected = expected

    async def __aenter__(self) -> Self:
        self.backend = current_backend()
        self.timers = Timers(self.backend)
        self.wheel = Wheel(self.backend, self.timers)
        self._scope = anyio.CancelScope()
        self.new_scope = self.backend.new_scope
        self._scope.__enter__()
        _live.add(self)
        self._root = self._enter(self._root_spec, None)
        try:
            await self._root.start()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise
        handler, loop = self._budgets
        if handler != math.inf:
            self._watches.append(HandlerWatch(self, handler))
        if loop != math.inf:
            self._watches.append(LoopWatch(self, loop))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving = True
        alive = [path for path in self.cells if path != "/"]
        # Whatever ends the block, cancellation included, the actors stop in order.
        with anyio.CancelScope(shield=True):
            await self._stop()
        _live.discard(self)
        self._scope.__exit__(kind, error, traceback)
        if self._failure is not None:
            raise self._failure
        if self._strict and alive and error is None:
            text = f"the system was left with live actors: {', '.join(alive)}; stop them first"
            raise RuntimeError(text)

    async def _stop(self) -> None:
        hard = self.timers.after(self._shutdown, self._kill_all)
        self._root.ask_stop(Shutdown(), math.inf)
        await self._root.join()
        while self._tasks > 0:
            self._idle = Ask(self.backend, None)
            await self._idle.wait()
        hard.cancel()
        for watch in self._watches:
            watch.close()
        for subscription in list(self._subscriptions):
            subscription.close()
        await self.backend.close()

    def _kill_all(self) -> None:
        for cell in list(self.cells.values()):
            cell.kill(brutal=True)

    # What users ask of it.

    @property
    def root(self) -> Ref:
        """The root supervisor, a dynamic one."""
        return self._root.ref

    async def start(self, spec: ChildSpec) -> Ref:
        """Start a child of the root supervisor. Raises `StartFailed`, or `ValueError` if the id is taken."""
        return await self.root.call(Supervisor.StartChild(spec), timeout=math.inf)

    async def stop_child(self, id: str) -> bool:
        """Stop a child of the root supervisor in order; False if there is none."""
        return await self.root.call(Supervisor.StopChild(id), timeout=math.inf)

    def lookup(self, path: str) -> Ref:
        """Named address: resolves to whoever holds the path at each send."""
        return NamedRef(self, path)

    async def join(self, ref: Ref) -> Exit:
        """Wait until an actor has ended, from outside any actor. Actors use `Actor.monitor`."""
        cell = ref.resolve()
        return Shutdown() if cell is None else await cell.join()

    def kill(self, ref: Ref) -> None:
        """Brutally kill an actor: for tests, and for operators. Its supervisor decides what follows."""
        cell = ref.resolve()
        if cell is not None:
            cell.kill(brutal=True)

    def suspend(self, ref: Ref, *, on: bool = True) -> None:
        """Have an actor stop, or go on, looking at its user lane. Twice is no error."""
        cell = ref.resolve()
        if cell is not None:
            cell.signal(Suspend(on))

    def change(self, ref: Ref, change: Callable[[Any], object]) -> None:
        """Call ``change(actor)`` between two of its messages: to replace state in tests, and to repair by hand."""
        cell = ref.resolve()
        if cell is not None:
            cell.signal(Replace(change))

    def trace(self, ref: Ref, limit: int = 100) -> Trace:
        """See an actor's messages come, go and be handled. Stops by itself after ``limit`` records."""
        cell = ref.resolve()
        if cell is None:
            text = f"{ref.path}: no such actor"
            raise LookupError(text)
        return Trace(cell, limit)

    def members(self, group: str) -> list[Ref]:
        """Members of a group, in the order in which they joined."""
        return [cell.ref for cell in self.groups.get(group, ())]

    def tree(self, path: str = "/") -> list[ActorStatus]:
        """Rows of an actor and all below it, parents first; empty if there is none. Nobody is stopped or asked."""
        cell = self.cells.get(path)
        if cell is not None:
            return walk(cell)
        return [row for row in self.resting(path.rpartition("/")[0] or "/") if row.path == path]

    def resting(self, path: str) -> list[ActorStatus]:
        """Rows of a supervisor's children that were given up for a while, see ``ChildSpec.rest``."""
        cell = self.cells.get(path)
        return [] if cell is None else list(resting(cell, self.backend.now()).values())

    def inspect(self, path: str) -> ActorDetail | None:
        """Everything about one live actor, `observe` included; None if there is none."""
        cell = self.cells.get(path)
        return None if cell is None else detail(cell)

    def subscribe(self, limit: int = 1000) -> Subscription:
        """Lifecycle events from now on, at most ``limit`` of them waiting."""
        subscription = Subscription(self, self.backend, limit)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Called by a subscription that ends."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    # What cells and supervisors ask of it.

    async def start_cell(self, spec: ChildSpec, parent: Cell, restarts: int, last_exit: Exit | None = None) -> Cell:
        """Make and start one incarnation. Raises `StartFailed`."""
        if parent.closed or parent.mourning:
            raise StartFailed(spec.id, Shutdown("supervisor died"))
        try:
            cell = self._enter(spec, parent)
        except Exception as error:
            raise StartFailed(spec.id, crashed(error, "start")) from error
        cell.restarts = restarts
        cell.last_exit = last_exit
        await cell.start()
        if spec.lifetime != math.inf and not cell.closed:
            cell.timers[_LIFETIME] = self.timers.after(spec.lifetime, lambda: cell.time_out("lifetime"))
        return cell

    def _enter(self, spec: ChildSpec, parent: Cell | None) -> Cell:
        cell = Cell(self, spec, spec.start(), parent)
        if cell.path in self.cells:
            text = f"{cell.path} is taken"
            raise ValueError(text)
        self.cells[cell.path] = cell
        if parent is not None:
            parent.kids[spec.id] = cell
        cell.actor.bind(cell)
        return cell

    def leave(self, cell: Cell) -> None:
        """A cell is dead: its name is free."""
        if self.cells.get(cell.path) is cell:
            del self.cells[cell.path]
        for group in [group for group, cells in self.groups.items() if cell in cells]:
            while self.quit_group(group, cell):
                pass
        if cell.parent is not None and cell.parent.kids.get(cell.spec.id) is cell:
            del cell.parent.kids[cell.spec.id]

    def quit_group(self, group: str, cell: Cell) -> bool:
        """End one membership; False if there was none."""
        cells = self.groups.get(group, [])
        if cell not in cells:
            return False
        cells.remove(cell)
        if not cells:
            del self.groups[group]
        return True

    def abandon(self, zombie: Cell | Job, path: str, what: str) -> None:
        """Wait no longer for a task that ignores its cancellation."""
        self.zombies.add(zombie)
        self.wary += 1
        self.task_over()
        self.emit("zombie", path, f"{what} ignored its cancellation and was abandoned")

    def zombie_over(self, zombie: Cell | Job) -> bool:
        """An abandoned task has ended after all; False if this is none."""
        if zombie not in self.zombies:
            return False
        self.zombies.discard(zombie)
        self.wary -= 1
        return True

    def task_began(self) -> None:
        """One more task to wait for."""
        self._tasks += 1

    def task_over(self, count: int = 1) -> None:
        """As many tasks less to wait for: ended, or abandoned."""
        self._tasks -= count
        if self._tasks == 0 and self._idle is not None:
            self._idle.settle(None)

    def caller(self) -> Cell | None:
        """The actor whose own task is running, if there is one."""
        cell = current.get()
        return cell if cell is not None and cell.task is self.backend.current_task() else None

    @property
    def failed(self) -> bool:
        """Whether it is ending because of an error: nobody is restarted any more."""
        return self._failure is not None

    def fail(self, error: BaseException) -> None:
        """End the block of the system with ``error``."""
        self._failure = self._failure or error
        if not self._leaving:
            self._scope.cancel()

    def report(self, cell: Cell, exit: Exit) -> None:
        """A cell is dead."""
        if isinstance(exit, Crashed):
            level = logging.DEBUG if consists_of(exit.exception, self._expected) else logging.ERROR
            if _log.isEnabledFor(level):
                _log.log(level, "%s crashed on %s: %r\n%s", cell.path, exit.message, exit.exception, exit.traceback)
        if self._subscriptions:
            kind: EventKind = "crashed" if isinstance(exit, Crashed) else "stopped"
            self.emit(kind, cell.path, repr(exit.exception) if isinstance(exit, Crashed) else str(exit))
        if cell is self._root and not self._leaving:
            self.fail(SystemFailed(exit))

    def gave_up(self, path: str, rest: Rest) -> None:
        """A supervisor goes on without one of its children, for a while."""
        trouble = rest.trouble(rest.since)
        _log.warning("%s is given up: %s", path, trouble)
        self.emit("given_up", path, trouble)

    def dead_letter(self, path: str, message: object) -> None:
        """A message nobody was there to take."""
        self.dead_letters += 1
        self.emit("dead_letter", path, f"{type(message).__name__}: no such actor")

    def emit(self, kind: EventKind, path: str, detail: str = "") -> None:
        """Tell the subscribers."""
        if self._subscriptions:
            event = Event(kind, path, detail, self.backend.now())
            for subscription in self._subscriptions:
                subscription.put(event)
