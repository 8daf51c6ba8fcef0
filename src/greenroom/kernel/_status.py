"""Looking at live actors.

They are read from outside, between two steps of the event loop: nobody is stopped, asked, or slowed down, and an actor
that is stuck in a handler shows as well as any other.
"""

from __future__ import annotations

import traceback
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from greenroom.kernel._ask import kind_of
from greenroom.kernel._exit import Crashed, Exit

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._rest import Rest


class ActorStatus(Struct, frozen=True):
    """One row of the live tree."""

    path: str
    kind: str
    """Class of the actor."""
    state: str
    """``starting``, ``running``, ``suspended``, ``stopping`` or ``zombie``; ``given up`` while a child rests."""
    mailbox: int
    """Messages waiting in the user lane."""
    high_water: int
    """The most that ever waited."""
    handled: int
    restarts: int
    age: float
    """Seconds since this incarnation was made, or since it was given up."""
    in_hand: str = ""
    """Type of the message being handled."""
    waiting_on: str = ""
    """Path of the actor it is waiting for in a call."""
    jobs: tuple[str, ...] = ()
    state_name: str = ""
    """Of an actor that changes its handlers, the state it is in."""
    trouble: str = ""
    """Of a child that was given up for a while: why, and when it is started again."""


class ActorDetail(Struct, frozen=True):
    """Everything about one actor."""

    status: ActorStatus
    observed: Any
    """What its ``observe`` returned; the error as text if that raised."""
    links: tuple[str, ...]
    children: tuple[str, ...]
    waiting: tuple[str, ...]
    """Types of the first messages in the user lane."""
    stack: tuple[str, ...]
    """Where its handler stands, outermost frame first."""
    last_crash: str = ""
    """How the incarnation before this one ended, with the traceback and the message in hand if it crashed."""


_SHOWN = 20


def status(cell: Cell, now: float) -> ActorStatus:
    """The row of one actor."""
    waiting = len(cell.user)
    # By position, and without a look at what is not there: of these there may be ten thousand.
    return ActorStatus(
        cell.path,
        cell.actor.__class__.__name__,
        "suspended" if cell.suspended and cell.state == "running" else cell.state,
        waiting,
        max(cell.mailbox.high, waiting),
        cell.handled,
        cell.restarts,
        now - cell.born,
        "" if cell.in_hand is None else kind_of(cell.in_hand),
        "" if cell.waiting_on is None else cell.waiting_on.cell.path,
        tuple([job.name for job in cell.jobs]) if cell.jobs else (),
        cell.actor.__state__,
    )


def detail(cell: Cell) -> ActorDetail:
    """All about one actor."""
    try:
        observed: object = cell.actor.observe()
    except Exception as error:  # noqa: BLE001 - a broken observe must not break whoever looks
        observed = f"observe() raised {error!r}"
    return ActorDetail(
        status=status(cell, cell.system.backend.now()),
        observed=observed,
        links=tuple(link.path for link in cell.links),
        children=tuple(kid.path for kid in cell.kids.values()),
        waiting=tuple(kind_of(entry) for entry in list(cell.mailbox.user)[:_SHOWN]),
        stack=tuple(stack(cell.task)),
        last_crash=_last_crash(cell.last_exit),
    )


def walk(cell: Cell) -> list[ActorStatus]:
    """The rows of an actor and all below it, parents before children."""
    rows: list[ActorStatus] = []
    now = cell.system.backend.now()
    below: list[Cell | ActorStatus] = [cell]
    while below:
        top = below.pop()
        if isinstance(top, ActorStatus):
            rows.append(top)
            continue
        rows.append(status(top, now))
        if top.actor.supervises or top.kids:
            below.extend(reversed(_in_order(top, now)))
    return rows


def _in_order(cell: Cell, now: float) -> list[Cell | ActorStatus]:
    """Those below an actor: its children, and a row for each that was given up."""
    places = {id: place for place, id in enumerate(cell.actor.child_order())}
    below: dict[str, Cell | ActorStatus] = {**resting(cell, now)}
    below.update(cell.kids)
    return [below[id] for id in sorted(below, key=lambda id: places.get(id, len(places)))]


def resting(cell: Cell, now: float) -> dict[str, ActorStatus]:
    """The rows of its children that were given up for a while, by their ids."""
    return {rest.id: _row(cell, rest, now) for rest in cell.actor.resting_children()}


def _row(cell: Cell, rest: Rest, now: float) -> ActorStatus:
    path = f"{cell.path.rstrip('/')}/{rest.id}"
    return ActorStatus(path, "", "given up", 0, 0, 0, rest.restarts, now - rest.since, trouble=rest.trouble(now))


def _last_crash(exit: Exit | None) -> str:
    if isinstance(exit, Crashed):
        return f"{exit}\n{exit.traceback}"
    return "" if exit is None else str(exit)


def stack(task: Any) -> list[str]:  # noqa: ANN401
    """Frames of a suspended coroutine; works for asyncio and trio tasks alike."""
    frames: list[traceback.FrameSummary] = []
    coroutine: Any = task.get_coro() if hasattr(task, "get_coro") else getattr(task, "coro", None)
    while isinstance(coroutine, CoroutineType):
        frame = coroutine.cr_frame
        if frame is not None:
            frames.append(traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        coroutine = coroutine.cr_await
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
