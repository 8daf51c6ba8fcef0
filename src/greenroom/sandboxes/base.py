"""What every sandbox backend offers. Tiny on purpose: actors need nothing else.

Rules for whoever writes a backend. Exits are learnt by push, never by looking again. Nothing here retries: retry is a
supervisor's decision. Every error leaves as `SandboxError`; anything else is a defect of the backend. Paths, output
and file contents that come out of a sandbox are hostile input.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct, field

from greenroom.specs.environment import Environment


class SandboxError(Exception):
    """The sandbox, not what runs in it, failed. ``kind`` is a short stable word, as in `Fault.kind`."""

    def __init__(self, kind: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.detail = detail


class SandboxRequest(Struct, frozen=True, kw_only=True):
    """What one attempt asks a backend for."""

    id: str
    """Chosen by us before anything is made, so that a crash in between can be cleaned up."""
    rollout_id: str
    env: dict[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""
    """Host path of the agent's installed prefix, made visible read-only at the same path."""
    seconds: float
    """Hard upper bound of the sandbox's life; it ends itself after this long, whoever forgets it."""
    environment: Environment | None = None
    """What the task wants beyond the sandbox's spec, and instead of it; never more than `offers` says there is."""


class Exec(Struct, frozen=True, kw_only=True):
    """One program to run in a sandbox."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Added to the sandbox's own."""
    cwd: str | None = None
    stdin: bytes = b""
    user: str | None = None
    """Who runs it; ``None``: the sandbox's usual user. Where there is only one, everything runs as that."""


class ExecResult(Struct, frozen=True, kw_only=True):
    """How a program ended."""

    exit_code: int
    """``-N`` when signal N ended it."""
    output: bytes
    """Standard output and error as they came; the tail when longer than the limit asked for."""
    truncated: bool
    timed_out: bool
    seconds: float


class Process(Protocol):
    """A program that runs."""

    def output(self) -> AsyncIterator[bytes]:
        """Standard output and error as they come, until the program and all who hold its output are gone."""
        ...

    async def wait(self) -> int:
        """Exit code. Raises `SandboxError` if the sandbox dies first."""
        ...

    async def kill(self) -> None:
        """End it and its descendants at once; returns when it is gone. Idempotent."""
        ...


class Sandbox(Protocol):
    """A live sandbox. All methods raise `SandboxError` once it is lost."""

    id: str
    home: str
    workdir: str
    unsafe: tuple[str, ...]
    """What weakens the isolation of this sandbox; empty when nothing does."""
    listener: socket.socket | None
    """A listening socket that lives inside the sandbox's network; ``None`` when agents use the host's loopback."""
    base_url: str | None
    """Where programs in the sandbox reach ``listener``, without a path; ``None`` without one."""

    async def exec(self, program: Exec, *, timeout: float, limit: int = 64 * 1024) -> ExecResult:
        """Run to the end. When ``timeout`` seconds are over, it and its descendants are killed."""
        ...

    async def start(self, program: Exec) -> Process:
        """Start without waiting for the end."""
        ...

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files as seen from inside: absolute, or relative to ``workdir``. Parents are made."""
        ...

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """At most ``limit`` bytes of one regular file. Raises `FileNotFoundError`."""
        ...

    async def quiesce(self) -> None:
        """Kill everything that runs inside; returns when nothing is left. The sandbox stays usable."""
        ...

    async def lost(self) -> SandboxError:
        """Waits until the sandbox dies without having been closed, and says why."""
        ...

    async def close(self) -> None:
        """End and remove the sandbox with all in it. Idempotent, bounded, safe under cancellation."""
        ...


class Backend(Protocol):
    """Makes sandboxes of one kind."""

    async def create(self, request: SandboxRequest) -> Sandbox:
        """Make one. Cancelled or failed, it leaves nothing behind."""
        ...

    async def close(self) -> None:
        """End all that is left. Idempotent."""
        ...
