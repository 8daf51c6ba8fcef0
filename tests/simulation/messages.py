"""What the simulated actors say to one another. Every message has a number, so that its fate can be told."""

from __future__ import annotations

from msgspec import Struct

from greenroom.kernel import Call
from tests.simulation.plan import Deed


class Letter(Struct, frozen=True):
    """A cast, handled by an async method."""

    id: int
    """Grows with every message sent anywhere, so it grows along every sender's line of messages too."""
    sender: str
    """The task that sent it."""
    meant: int
    """Number of the incarnation it was meant for; 0 if it was sent to a name."""
    deeds: tuple[Deed, ...] = ()


class Note(Letter, frozen=True):
    """A cast, handled by a plain method."""


class Query(Call[int], frozen=True):
    """A call, handled by an async method. The right answer is `answer_to` its id."""

    id: int
    sender: str
    meant: int
    deeds: tuple[Deed, ...] = ()


class Quiz(Query, frozen=True):
    """A call, handled by a plain method."""


Mail = Letter | Query


class Tick(Struct, frozen=True):
    """A timer of an actor went off."""

    id: int


class Due(Struct, frozen=True):
    """It is time to answer a call whose reply was deferred."""

    id: int


class Gone(Struct, frozen=True):
    """Whoever made this call does not wait for its answer any more."""

    id: int


class Done(Struct, frozen=True):
    """A job is over."""

    id: int


class Resume(Struct, frozen=True):
    """Take what was put aside."""


def answer_to(id: int) -> int:
    """The right answer to a call."""
    return id * 7 + 3


class Refusal(Exception):
    """Some calls are answered with an error; their callers must get just that."""


def is_refused(id: int) -> bool:
    """Whether a deferred reply is such an error."""
    return id % 5 == 0


class Trouble(Exception):
    """What goes wrong when a fault is played."""
