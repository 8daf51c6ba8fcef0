"""What a run is asked for by those who consume or steer it."""

from __future__ import annotations

from msgspec import Struct

from greenroom.kernel import Call
from greenroom.messages import Outcome


class Next(Call[Outcome | None], frozen=True):
    """The outcome after the ``received`` first ones; ``None`` if there are no more. Fails as the source of tasks did.

    What was not received yet is given again, so that a consumer that is cancelled while it waits misses nothing.
    """

    received: int


class CancelSome(Call[int], frozen=True):
    """Cancel one rollout, or a group with those of its samples that are still to come; answers how many are open."""

    name: str
    reason: str


class Stop(Struct, frozen=True):
    """Cancel what runs and submit no more. Outcomes are still committed and given out."""

    reason: str


class Abandon(Struct, frozen=True):
    """Nobody will ask for outcomes any more: stop, commit what there is, and end."""


class Drain(Call[None], frozen=True):
    """Answered once nothing runs any more and every outcome is committed."""
