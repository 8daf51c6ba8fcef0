"""One simulated schedule, as data: a tree of actors, what they are asked to do, and what goes wrong meanwhile.

A plan is made from a seed (`strategy`), played (`runner`), made smaller when it breaks a promise (`shrink`) and kept
for good if it once did (`regressions`), where its ``repr`` is its source text.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Literal

from msgspec import Struct

from greenroom.kernel import Backoff
from greenroom.kernel._childspec import Grace
from greenroom.kernel._mailbox import Overflow
from greenroom.kernel._restart import AutoShutdown, Restart, Strategy

Instant = Literal[
    "answer",  # have the oldest deferred reply sent
    "become",  # put messages aside for `amount` seconds
    "cast",
    "drop",  # cancel the newest job
    "job",  # run `deeds` in the background, after `amount` seconds
    "join",
    "leave",
    "link",  # to the first who ever lived there, if `amount` is above 1: the same for the next
    "monitor",
    "stop",  # end normally, or with a Shutdown of its own if `amount`
    "timer",  # after `amount` seconds, keyed by `target` if there is one
    "untimer",
]
Waiting = Literal["call", "dismiss", "send", "sleep"]
FromOutside = Literal[
    "burst", "call", "cast", "delete", "look", "probe", "restart", "send", "start", "stop", "suspend", "trace"
]
FaultKind = Literal[
    # in the nth handler, start, job or clean-up of an actor
    "crash",
    "hang",
    "swallow",
    "stubborn",
    "start_fail",
    "start_slow",
    "start_hang",
    "start_ignore",
    "start_stubborn",
    "job_crash",
    "job_hang",
    "job_stubborn",
    "then_crash",
    "stop_fail",
    "stop_slow",
    "stop_hang",
    "stop_stubborn",
    # from outside, at `amount` seconds
    "kill",
    "cancel",
    "raise",
    # when the nth step of any task is over, which is where it waits for something
    "kill_step",
    "cancel_step",
    "foreign_step",
]


class Deed(Struct, frozen=True, repr_omit_defaults=True):
    """One thing that an actor does."""

    verb: Instant | Waiting | Literal["defer"]
    target: str = ""
    """Path of an actor, or the name of a group or timer."""
    amount: float = 0.0
    """Seconds."""
    deeds: tuple[Deed, ...] = ()
    """What the other actor, or the job, does."""


class Leaf(Struct, frozen=True, repr_omit_defaults=True):
    """A worker, and how it is supervised."""

    id: str
    restart: Restart = "permanent"
    shutdown: Grace = 5.0
    start_timeout: float = 30.0
    lifetime: float = inf
    significant: bool = False
    mailbox: float = inf
    overflow: Overflow = "fail"
    trap: bool = False
    plain: bool = False
    """It has neither ``started`` nor ``stopped``: the kernel takes short cuts then."""


class Branch(Struct, frozen=True, repr_omit_defaults=True):
    """A supervisor, and how it is supervised itself."""

    id: str
    children: tuple[Leaf | Branch, ...] = ()
    strategy: Strategy = "one_for_one"
    intensity: int = 1
    period: float = 5.0
    auto_shutdown: AutoShutdown = "never"
    backoff: Backoff | None = None
    restart: Restart = "permanent"
    shutdown: Grace = inf
    start_timeout: float = 60.0
    significant: bool = False
    mailbox: float = inf
    overflow: Overflow = "fail"


Node = Leaf | Branch


class Act(Struct, frozen=True, repr_omit_defaults=True):
    """Something done from outside any actor, by a task of its own."""

    at: float
    verb: FromOutside
    target: str
    amount: float = 1.0
    """How many messages, or seconds."""
    timeout: float = 5.0
    deeds: tuple[Deed, ...] = ()
    node: Leaf | None = None
    """The child to start."""


class Fault(Struct, frozen=True, repr_omit_defaults=True):
    """Something that goes wrong."""

    kind: FaultKind
    target: str = ""
    nth: int = 1
    amount: float = 0.0
    """Seconds."""


class Plan(Struct, frozen=True, repr_omit_defaults=True):
    """One schedule."""

    seed: int
    """Of the order in which tasks run, and of the jitter of backoffs."""
    tree: tuple[Node, ...]
    acts: tuple[Act, ...] = ()
    faults: tuple[Fault, ...] = ()
    leave: float = 120.0
    """Seconds after which the system is left. Late enough, everything has come to rest before."""
    shutdown: float = 30.0
    fence_after: float = 1.0
    intensity: int = 3
    """Restarts of top-level children allowed within ``period`` seconds."""
    period: float = 5.0


def nodes(tree: tuple[Node, ...], above: str = "") -> Iterator[tuple[str, Node]]:
    """Every node of a tree with its path, parents first."""
    for node in tree:
        path = f"{above}/{node.id}"
        yield path, node
        if isinstance(node, Branch):
            yield from nodes(node.children, path)
