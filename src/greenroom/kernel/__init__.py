"""Actors and supervision for asyncio and trio, with OTP's semantics. Knows nothing of rollouts.

Read it in this order: ``_exit`` and ``_message`` are the words, ``_mailbox`` and ``_restart`` the pure decisions,
``_actor`` and ``_ref`` what authors use, ``_cell`` the running of one actor, ``_supervisor`` an actor whose state is
its children, ``_system`` the world they live in. ``_asyncio`` and ``_trio`` are all that differs between event loops.
"""

from greenroom.kernel import _actor, _childspec, _ref
from greenroom.kernel._actor import Actor
from greenroom.kernel._ask import Reply
from greenroom.kernel._cell import Cell as _Cell
from greenroom.kernel._childspec import ChildSpec
from greenroom.kernel._errors import (
    CallError,
    CallTimeout,
    MailboxFull,
    NotDelivered,
    ReplyLost,
    StartFailed,
)
from greenroom.kernel._events import Event
from greenroom.kernel._exit import Crashed, Escalation, Exit, Killed, Normal, Shutdown, TimedOut
from greenroom.kernel._message import Call, on
from greenroom.kernel._ref import Ref
from greenroom.kernel._restart import Backoff
from greenroom.kernel._signals import Down
from greenroom.kernel._status import ActorStatus
from greenroom.kernel._supervisor import Supervisor
from greenroom.kernel._system import System

__all__ = [
    "Actor",
    "ActorStatus",
    "Backoff",
    "Call",
    "CallError",
    "CallTimeout",
    "ChildSpec",
    "Crashed",
    "Down",
    "Escalation",
    "Event",
    "Exit",
    "Killed",
    "MailboxFull",
    "Normal",
    "NotDelivered",
    "Ref",
    "Reply",
    "ReplyLost",
    "Shutdown",
    "StartFailed",
    "Supervisor",
    "System",
    "TimedOut",
    "on",
]

# These name classes of modules that need them first. `help`, `inspect.signature` and msgspec read annotations, too.
_actor.__dict__["System"] = System
_childspec.__dict__["Actor"] = Actor
_ref.__dict__.update(Cell=_Cell, System=System)
