"""A supervisor is an ordinary actor whose state is its children: same mailbox, same ``observe``, no privileged path.

It starts its children left to right and stops them right to left. A child's end arrives as a message; a restart that
fails is a message to itself, so that a stop gets through between two tries. All decisions are taken in `_restart`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from greenroom.kernel._actor import Actor
from greenroom.kernel._ask import Reply
from greenroom.kernel._cell import Cell
from greenroom.kernel._children import Child, check, check_rest
from greenroom.kernel._childspec import ChildSpec
from greenroom.kernel._errors import StartFailed
from greenroom.kernel._exit import Escalation, Exit, Shutdown
from greenroom.kernel._message import Call, R, on
from greenroom.kernel._ref import Ref
from greenroom.kernel._rest import Rest, Spare
from greenroom.kernel._restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    Strategy,
    affected,
    shuts_down,
    verdict,
)
from greenroom.kernel._signals import ChildExited


class Children(Struct, frozen=True):
    """What a supervisor shows: how many specs, how many of them run or wait for their restart."""

    strategy: Strategy
    specs: int
    active: int
    restarting: int
    recent_restarts: int
    given_up: tuple[Rest, ...] = ()
    """Those that it does without for a while."""


class TryAgain(Struct, frozen=True):
    """A supervisor's message to itself: this child, and those it took along, are to be started."""

    id: str


class RestartFailed(Struct, frozen=True):
    """A supervisor's message to itself: this child could not be started, which counts as one more restart."""

    id: str
    exit: Exit


class Supervisor(Actor):
    """Starts, stops and restarts children.

    Args:
        children: specs, in the order in which they start. A ``dynamic`` supervisor usually begins with none.
        strategy: ``one_for_one``, ``one_for_all``, ``rest_for_one``, or ``dynamic``, which is one_for_one for many
            children that come and go: they are stopped all at once, and one that ended is forgotten with its spec.
        intensity: restarts allowed within ``period`` seconds. One more, and the supervisor stops its children and
            ends with ``Shutdown(Escalation(child, exit))``. A child that can be done without has a count of its own,
            and is given up alone, see ``ChildSpec.rest``.
        period: seconds.
        auto_shutdown: whether the end of a significant child, or of the last one, ends the supervisor normally.
        backoff: wait before restarts; without one they are immediate.
    """

    supervises: ClassVar[bool] = True

    class StartChild(Call[Ref], frozen=True):
        """Start one more child. Fails with `StartFailed`, or `ValueError` if the id is taken."""

        spec: ChildSpec

    class StopChild(Call[bool], frozen=True):
        """Stop a child. False if there is none. A temporary or dynamic child is forgotten, others keep their spec."""

        id: str

    class RestartChild(Call[Ref], frozen=True):
        """Start a stopped child again. Fails with `LookupError`, `ValueError` if it runs, or `StartFailed`."""

        id: str

    class DeleteChild(Call[None], frozen=True):
        """Forget a stopped child. Fails with `LookupError`, or `ValueError` if it runs."""

        id: str

    def __init__(
        self,
        children: Iterable[ChildSpec] = (),
        *,
        strategy: Strategy = "one_for_one",
        intensity: int = 1,
        period: float = 5.0,
        auto_shutdown: AutoShutdown = "never",
        backoff: Backoff | None = None,
    ) -> None:
        specs = list(children)
        check(specs, strategy, intensity, period, auto_shutdown)
        self.strategy: Strategy = strategy
        self.auto_shutdown: AutoShutdown = auto_shutdown
        self.backoff = backoff
        self.children: dict[str, Child] = {spec.id: Child(spec) for spec in specs}
        self._intensity = Intensity(intensity, period)

    async def started(self) -> None:
        """Start the children left to right; if one fails, those before it are stopped in reverse."""
        for child in list(self.children.values()):
            await self._start_or_tell(child, tell=child.spec.rest is not None)

    async def stopped(self, exit: Exit) -> None:
        """Stop the children right to left, all at once if they are dynamic. They learn why it gave up, or crashed."""
        del exit
        await self._stop(list(self.children))

    def observe(self) -> Children:
        """Counts, as OTP's ``count_children`` gives them."""
        children = self.children.values()
        return Children(
            strategy=self.strategy,
            specs=len(self.children),
            active=sum(child.cell is not None for child in children),
            restarting=sum(child.restarting for child in children),
            recent_restarts=self._intensity.recent,
            given_up=tuple(self.resting_children()),
        )

    def child_order(self) -> Sequence[str]:
        """As they were declared: a restarted child keeps its place."""
        return list(self.children)

    def resting_children(self) -> Sequence[Rest]:
        """Those it does without for a while."""
        spares = (child.spare for child in self.children.values() if child.spare is not None)
        return [spare.rest for spare in spares if spare.rest is not None]

    # For subclasses and for the handlers below.

    async def start_child(self, spec: ChildSpec) -> Ref:
        """Start one more child, in this actor's own turn. Raises as `StartChild` fails."""
        if spec.id in self.children:
            text = f"{self.ref.path} already has a child {spec.id!r}"
            raise ValueError(text)
        if spec.significant and self.auto_shutdown == "never":
            text = f"{self.ref.path}: child {spec.id!r} is significant, but auto_shutdown is never"
            raise ValueError(text)
        check_rest(spec, self.strategy)
        child = Child(spec)
        cell = await self._start(child)
        if not (cell.ignored and self._forgets(child)):
            self.children[spec.id] = child
        return cell.ref

    async def stop_child(self, id: str) -> bool:
        """Stop a child, in this actor's own turn."""
        child = self.children.get(id)
        if child is None:
            return False
        child.restarting = False
        child.spare = None
        await self._stop([id])
        if self._forgets(child):
            self.children.pop(id, None)
        return True

    def _forgets(self, child: Child) -> bool:
        return child.spec.restart == "temporary" or self.strategy == "dynamic"

    def child_ended(self, id: str, exit: Exit) -> None:
        """Hook: a child ended by itself and will not be restarted. Exits overtake casts, see the class `Actor`."""

    @on(StartChild)
    async def _start_child(self, message: StartChild) -> Reply[Ref]:
        return await self._replying(self.start_child(message.spec))

    @on(StopChild)
    async def _stop_child(self, message: StopChild) -> bool:
        return await self.stop_child(message.id)

    @on(RestartChild)
    async def _restart_child(self, message: RestartChild) -> Reply[Ref]:
        return await self._replying(self._start_again(message.id))

    @on(DeleteChild)
    async def _delete_child(self, message: DeleteChild) -> Reply[None]:
        return await self._replying(self._delete(message.id))

    @on(ChildExited)
    async def _child_exited(self, message: ChildExited) -> None:
        child = self.children.get(message.id)
        if child is None or child.cell is not message.cell:
            return  # stopped by us, or an incarnation that was abandoned long ago
        child.cell = None
        decision = verdict(child.spec.restart, message.exit)
        if decision == "restart":
            await self._restart(child, message.exit)
            return
        if decision == "forget" or self.strategy == "dynamic":
            del self.children[message.id]
        self.child_ended(message.id, message.exit)
        self._maybe_shut_down(child)

    @on(RestartFailed)
    async def _restart_failed(self, message: RestartFailed) -> None:
        child = self.children.get(message.id)
        if child is not None and child.restarting:
            await self._restart(child, message.exit)

    @on(TryAgain)
    async def _try_again(self, message: TryAgain) -> None:
        child = self.children.get(message.id)
        if child is not None and child.restarting:
            # Somebody may have been started meanwhile, out of order.
            await self._clear(affected(self.strategy, list(self.children), message.id), failed=message.id)
            await self._resume(message.id)

    # The shell around the decisions.

    async def _restart(self, child: Child, exit: Exit) -> None:
        id = child.spec.id
        if self.system.failed:
            return
        intensity = self._window(child)
        child.last_exit = exit
        if not intensity.admit(self.system.backend.now()):
            self._give_up(child, exit)
            return
        child.restarting = True
        child.restarts += 1
        self.system.emit("restarting", f"{self.ref.path.rstrip('/')}/{id}", str(exit))
        await self._clear(affected(self.strategy, list(self.children), id), failed=id)
        if self.backoff is None:
            await self._resume(id)
        else:
            self.after(self.backoff.delay(intensity.recent, self.system.random), TryAgain(id), key=id)

    def _window(self, child: Child) -> Intensity:
        """Where the failures of this child are counted."""
        if child.spec.rest is None:
            return self._intensity
        if child.spare is None:
            child.spare = Spare(Intensity(self._intensity.limit, self._intensity.period))
        return child.spare.window

    def _give_up(self, child: Child, exit: Exit) -> None:
        """Go on without a child that can be done without, for a while; without any other there is no going on."""
        id, seconds = child.spec.id, child.spec.rest
        if seconds is None or child.spare is None:
            self.stop(Shutdown(Escalation(id, exit)))
            return
        child.restarting = True
        rest = child.spare.give_up(id, exit, child.restarts, self.system.backend.now(), seconds)
        self.system.gave_up(f"{self.ref.path.rstrip('/')}/{id}", rest)
        self.after(seconds, TryAgain(id), key=id)

    async def _clear(self, ids: Sequence[str], failed: str) -> None:
        """Stop those a failure takes along; the temporary ones among them are gone for good."""
        await self._stop(ids)
        for id in [id for id in ids if id != failed]:
            # A restart of its own that it waited for is part of this one now.
            self.children[id].restarting = False
            self.cancel_timer(id)
            if self.children[id].spec.restart == "temporary":
                del self.children[id]

    async def _resume(self, id: str) -> None:
        child = self.children.get(id)
        if child is None or not child.restarting or self.system.failed:
            return  # stopped or deleted meanwhile, or all of it ends
        for child in [self.children[id] for id in affected(self.strategy, list(self.children), id)]:
            if child.cell is not None:
                continue
            if not await self._start_or_tell(child, tell=True):
                return

    async def _start_or_tell(self, child: Child, *, tell: bool) -> bool:
        """Start it; if that fails, have it tried again, or raise `StartFailed`."""
        try:
            await self._start(child)
        except StartFailed as failed:
            if not tell:
                raise
            child.restarting = True
            # To itself, behind whatever came meanwhile: a stop or a StopChild gets through.
            self._cell.tell(RestartFailed(child.spec.id, failed.exit))
            return False
        return True

    async def _start(self, child: Child) -> Cell:
        cell = await self.system.start_cell(child.spec, self._cell, child.restarts, child.last_exit)
        child.restarting = False
        child.cell = None if cell.ignored else cell
        if child.spare is not None:
            child.spare.rest = None
        if cell.ignored and self._forgets(child):
            self.children.pop(child.spec.id, None)
        return cell

    async def _start_again(self, id: str) -> Ref:
        return (await self._start(self._idle(id))).ref

    async def _delete(self, id: str) -> None:
        self._idle(id)
        del self.children[id]

    def _idle(self, id: str) -> Child:
        child = self.children.get(id)
        if child is None:
            text = f"{self.ref.path} has no child {id!r}"
            raise LookupError(text)
        if child.cell is not None or child.restarting:
            text = f"{self.ref.path}: child {id!r} is {'running' if child.cell else 'restarting'}"
            raise ValueError(text)
        return child

    async def _stop(self, ids: Sequence[str]) -> None:
        exit = self._reason()
        cells = [cell for id in reversed(ids) if (cell := self.children[id].cell) is not None]
        for cell in cells:
            cell.expected = True
            if self.strategy == "dynamic":
                cell.ask_stop(exit, cell.grace)
        for cell in cells:
            if self.strategy != "dynamic":
                cell.ask_stop(exit, cell.grace)
            await cell.join(self._cell)
            self.children[cell.spec.id].cell = None

    def _reason(self) -> Shutdown:
        """What children are stopped with: the exit of the supervisor that gave up or crashed, this one or above it."""
        match self._cell.verdict:
            case Shutdown(info=Exit()) as verdict:
                return verdict
            case Shutdown(info=Escalation()) as verdict:
                return Shutdown(verdict)
            case Exit(abnormal=True) as verdict:
                return Shutdown(verdict)
            case _:
                return Shutdown()

    async def _replying(self, work: Coroutine[Any, Any, R]) -> Reply[R]:
        """Reply with the result, or with the error if it is the caller's."""
        reply: Reply[R] = self.defer()
        try:
            reply.send(await work)
        except (StartFailed, LookupError, ValueError) as error:
            reply.fail(error)
        return reply

    def _maybe_shut_down(self, child: Child) -> None:
        if not child.spec.significant:
            return  # thousands of siblings need not be counted for it
        others = sum(c.spec.significant and (c.cell is not None or c.restarting) for c in self.children.values())
        if shuts_down(self.auto_shutdown, significant=child.spec.significant, others=others):
            self.stop(Shutdown())
