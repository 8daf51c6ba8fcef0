"""Where rollouts run. A spec is data; `greenroom.sandboxes` knows how to open one."""

from __future__ import annotations

from msgspec import Struct


class SandboxSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sandbox specs."""


class Local(SandboxSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="local"):
    """Processes on this machine, sealed by bubblewrap where it is installed.

    Without bubblewrap the processes are plain ones in a session of their own: supervised and killed just the same,
    but not isolated. That is refused unless ``unsafe`` says it is wanted.
    """

    root: str | None = None
    """Directory that holds the sandboxes' work directories; ``None``: a private temporary directory."""
    unsafe: bool = False
    """Accept plain, unisolated processes where bubblewrap is missing. Recorded in the outcome."""
    network: bool = False
    """Let the agent reach the host's network. Needs ``unsafe``."""


class Simulated(SandboxSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="simulated"):
    """No processes at all: an in-memory sandbox in the event loop, for scale and for virtual time.

    Durations are seconds of the event loop's clock; faults are drawn from ``seed`` and the rollout's id, so the same
    seed gives the same run.
    """

    seed: int = 0
    boot: float = 1.0
    turn: float = 5.0
    """How long the simulated agent works between two model calls."""
    turns: int = 4
    fault_rate: float = 0.0
    """Share of sandboxes that suffer one random fault: a boot that fails or takes ten times as long, death in set-up,
    with the agent or in grading, an agent that crashes or hangs. One in seven is a hang; see ``hang``."""
    hang: float | None = None
    """Seconds after which an agent that hangs ends by itself, with exit code 124. ``None``: never, as a real one, so it
    is ended when its time is up: the task's ``agent_timeout``, or what the deadline leaves, which is 1665 s with the
    engine's deadline of 1800 s and the task's verification of 120 s. On a real clock that is a long wait."""
