"""What the journal keeps beside outcomes, so that another engine can go on where this one was killed."""

from __future__ import annotations

from msgspec import Struct

from greenroom.messages import Outcome
from greenroom.specs import TaskSpec


class Lease(Struct, frozen=True, kw_only=True):
    """Something that outlives a killed engine is about to be made. Kept before it is; see `Released`."""

    id: str
    """Of the sandbox, chosen by us."""
    backend: str
    """Kind of the sandbox, as its spec is tagged."""
    handle: str
    """By which another process finds what is left of it."""
    rollout_id: str
    attempt: int
    deadline: float
    """By when it ends itself, in seconds since 1970."""


class Released(Struct, frozen=True):
    """Nothing is left of what was leased."""

    id: str


class Submitted(Struct, frozen=True, kw_only=True):
    """All tasks of one `Engine.run` whose tasks are a list. Replaces what was kept of it."""

    run: str
    samples: int
    tasks: tuple[TaskSpec, ...]


class Taken(Struct, frozen=True, kw_only=True):
    """One more task of an `Engine.run` whose tasks are an iterator."""

    run: str
    samples: int
    task: TaskSpec


class Acknowledged(Struct, frozen=True):
    """The consumer has dealt with these outcomes: no later start gives them again."""

    rollout_ids: tuple[str, ...]


Record = Outcome | Lease | Released | Submitted | Taken | Acknowledged
