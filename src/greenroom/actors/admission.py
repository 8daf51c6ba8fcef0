"""Whether one more rollout may begin, and whose. Pure: no await, no clock, no actor.

The shell, `rollouts`, knows what runs and what waits; here it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from greenroom.specs.docker import parse_size
from greenroom.specs.limits import Bounds

_MEGA = 1 << 20


class Wish(Struct, eq=False):
    """A rollout that wants to begin."""

    run: Hashable
    priority: int
    """The highest goes first."""
    weight: float
    """Among those of one priority, runs begin rollouts in proportion to it."""
    keys: tuple[str, ...]
    """What it uses: ``backend:docker``, ``agent:codex``, ``image:python:3.12``."""


W = TypeVar("W", bound=Wish)


class Reading(Struct, frozen=True, kw_only=True):
    """The machine at one moment. ``None``: it could not be read."""

    free_memory: int | None = None
    """Bytes."""
    load: float | None = None
    """For each core."""
    open_files: float | None = None
    """Share of what this process may have open."""


class Turns:
    """Whose turn it is among runs: each begins rollouts in proportion to its weight, however many it has waiting.

    A run's pass grows by the inverse of its weight with each rollout, and the lowest pass goes first (stride
    scheduling). Who is new begins at the present pass, so nobody makes up for time in which he asked for nothing.
    """

    def __init__(self) -> None:
        self._passes: dict[Hashable, float] = {}
        self._now = 0.0

    def first(self, wishes: Iterable[W], may: Callable[[W], bool]) -> W | None:
        """The one to begin next; of a run's own, the one that has waited longest. ``None`` if none may."""
        best: W | None = None
        rank = (0, 0.0)
        for wish in wishes:
            mine = (-wish.priority, max(self._now, self._passes.get(wish.run, 0.0)))
            if (best is None or mine < rank) and may(wish):
                best, rank = wish, mine
        return best

    def took(self, wish: Wish) -> None:
        """It begins."""
        self._now = max(self._now, self._passes.get(wish.run, 0.0))
        self._passes[wish.run] = self._now + 1.0 / wish.weight

    def forget(self, run: Hashable) -> None:
        """It wants nothing any more."""
        self._passes.pop(run, None)


def limit_of(key: str, bounds: Bounds) -> int | None:
    """How many rollouts may use it at once."""
    named = bounds.named.get(key)
    if named is not None:
        return named
    match key.partition(":")[0]:
        case "backend":
            return bounds.per_backend
        case "agent":
            return bounds.per_agent
        case "image":
            return bounds.per_image
        case _:
            return None


def has_room(keys: Iterable[str], taken: Mapping[str, int], bounds: Bounds) -> bool:
    """Whether one more rollout may use all of these, beside those that do."""
    return all((most := limit_of(key, bounds)) is None or taken.get(key, 0) < most for key in keys)


def closed(bounds: Bounds, reading: Reading, boot: float) -> str:
    """Why the machine can take no more, in words for a person; empty if it can.

    Args:
        bounds: What is allowed.
        reading: The machine's state.
        boot: Seconds that sandboxes have taken to boot lately.
    """
    least = parse_size(bounds.free_memory) if bounds.free_memory is not None else 0
    if reading.free_memory is not None and reading.free_memory < least:
        return f"{reading.free_memory // _MEGA} MiB of memory are available, less than {bounds.free_memory}"
    if bounds.load is not None and reading.load is not None and reading.load > bounds.load:
        return f"the load is {reading.load:.1f} for each core, more than {bounds.load:g}"
    if bounds.open_files is not None and reading.open_files is not None and reading.open_files > bounds.open_files:
        return (
            f"{reading.open_files:.0%} of the files this process may have open are, more than {bounds.open_files:.0%}"
        )
    if bounds.boot is not None and boot > bounds.boot:
        return f"sandboxes took {boot:.1f} s to boot lately, more than {bounds.boot:g} s"
    return ""
