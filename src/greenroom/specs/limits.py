"""What an engine keeps to when it decides whether one more rollout may begin."""

from __future__ import annotations

from msgspec import Struct, field


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of admission beside ``concurrency``. ``None`` is none. All can be changed while the engine runs.

    The last four look at the machine. While one of them says no, nothing begins and the snapshot says why; an engine
    in which nothing runs always begins something, so it can become slow, but it cannot come to a halt.
    """

    per_backend: int | None = None
    """Rollouts at once in each kind of sandbox."""
    per_agent: int | None = None
    """Rollouts at once of each agent."""
    per_image: int | None = None
    """Rollouts at once of each image."""
    named: dict[str, int] = field(default_factory=dict[str, int])
    """The same for one of them, instead: ``{"image:python:3.12": 4, "agent:codex": 10, "backend:docker": 200}``."""
    queue: int = 64
    """Rollouts of a run that may wait for limits of their own while others of it go on; then its tasks wait."""
    jitter: float = 0.0
    """Seconds over which rollouts that may begin at the same moment are spread, at random."""
    free_memory: str | None = "256m"
    """Memory that has to be available, of the machine and of this process's control group: bytes, or ``2g``."""
    load: float | None = None
    """Highest load average (of one minute) for each core."""
    open_files: float | None = 0.9
    """Highest share of the files that this process may have open."""
    boot: float | None = None
    """Seconds that sandboxes may have taken to boot lately: beyond that their backend is overloaded."""


class Bounds(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All limits of a running engine."""

    concurrency: int = 64
    """Rollouts at once."""
