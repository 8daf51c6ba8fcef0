"""What is known of one actor incarnation: plain data, and a lot of it, so it is kept small.

Of idle actors there may be a hundred thousand. Hence the slots, dicts where sets are meant (an empty one is a third the
size), and things that are made only when they are first needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

from greenroom.kernel._mailbox import Mailbox
from greenroom.kernel._ref import Ref

if TYPE_CHECKING:
    from greenroom.kernel._actor import Actor
    from greenroom.kernel._ask import Ask, Reply
    from greenroom.kernel._backend import Scope
    from greenroom.kernel._call import Beginning
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._childspec import ChildSpec, Grace
    from greenroom.kernel._exit import Exit
    from greenroom.kernel._job import Job
    from greenroom.kernel._message import Handler
    from greenroom.kernel._strikes import Strikes
    from greenroom.kernel._system import System
    from greenroom.kernel._timers import Timer
    from greenroom.kernel._trace import Trace

State = Literal["starting", "running", "stopping", "dead", "zombie"]


class Incarnation:
    """The state of a `Cell`."""

    __slots__ = (
        "_strikes",
        "actor",
        "blocks",
        "born",
        "bounded",
        "closed",
        "expected",
        "grace",
        "handled",
        "handlers",
        "ignored",
        "in_hand",
        "jobs",
        "kids",
        "kind",
        "known",
        "last_exit",
        "links",
        "mailbox",
        "monitored",
        "monitors",
        "mourning",
        "owed",
        "parent",
        "path",
        "ready",
        "restarts",
        "scope",
        "simple",
        "spec",
        "stash",
        "stashed",
        "state",
        "suspended",
        "system",
        "table",
        "task",
        "timers",
        "tracer",
        "user",
        "verdict",
        "waiter",
        "waiting_on",
        "watchers",
    )

    def __init__(self, system: System, spec: ChildSpec, actor: Actor, parent: Cell | None) -> None:
        backend = system.backend
        self.system = system
        self.spec = spec
        self.actor = actor
        self.parent = parent
        self.path: str = "/" if parent is None else f"{parent.path.rstrip('/')}/{spec.id}"
        self.handlers: dict[type, Handler] = type(actor).__tables__[actor.__state__]
        self.table = self.handlers
        self.kind = type(actor)
        self.known = type(actor).__handles__
        self.mailbox = Mailbox(spec.mailbox, spec.overflow)
        self.user = self.mailbox.user
        self.waiter: Any = None
        self.bounded = spec.mailbox != math.inf
        self.blocks = spec.overflow == "block"
        self.simple = not self.bounded
        """Alive and unbounded: whatever is sent goes straight into the user lane."""
        self.scope: Scope = system.new_scope()
        self.grace: Grace = spec.grace(actor)
        self.state: State = "starting"
        self.closed = False
        self.ignored = False
        """It ended normally before it was ready: OTP's ``ignore``."""
        self.expected = False
        """Its supervisor stops it and waits for its end: it need not be told of it by a message as well."""
        self.mourning = False
        """It only waits for its children to be over."""
        self.suspended = False
        self.verdict: Exit | None = None
        self.in_hand: Any = None
        self.handled: int = 0
        self.born = backend.now()
        self.restarts = 0
        self.last_exit: Exit | None = None
        """How the incarnation before this one ended."""
        self.task: object = None
        self.waiting_on: Ask | None = None
        self.ready: Beginning | None = None
        self._be_alone()

    @property
    def ref(self) -> Ref:
        """Its address, made anew each time: kept here, it would be a circle, for the cyclic collector to find."""
        return Ref(cast("Cell", self))

    def _be_alone(self) -> None:
        """Nobody knows it yet, and it owes nobody anything."""
        self.kids: dict[str, Cell] = {}
        self.jobs: dict[Job, None] = {}
        self.owed: dict[Reply[Any], None] = {}
        self.links: dict[Cell, None] = {}
        self.monitors: list[tuple[Cell, Ref]] = []
        """Who is to be told of its end."""
        self.monitored: dict[Cell, None] = {}
        """Whose end it is to be told of."""
        self.watchers: dict[Ask, None] = {}
        self.timers: dict[object, Timer] = {}
        self.stash: list[Any] = []
        self.stashed = False
        """The message in hand was put aside by its handler."""
        self.tracer: Trace | None = None
        self._strikes: Strikes | None = None
