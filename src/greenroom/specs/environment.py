"""What a task needs its sandbox to be. Whatever is ``None`` is as the sandbox's own spec says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class Healthcheck(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that tells whether a booted sandbox is ready; exit code 0 means so at once. Durations are seconds.

    The meaning is that of Docker's ``HEALTHCHECK``: failures within ``start_period`` are free, ``retries`` of them in
    a row after it are too many.
    """

    command: str
    interval: float = 5.0
    timeout: float = 30.0
    """Of each try."""
    start_period: float = 0.0
    start_interval: float = 5.0
    """Between tries within ``start_period``."""
    retries: int = 3


class Environment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sandbox a task asks for. A sandbox that cannot give all of it is refused before anything starts."""

    image: str | None = None
    """Container image."""
    build: str | None = None
    """Directory on this machine with the ``Dockerfile`` of the image. In a task's file: from where that is."""
    build_seconds: float = 600.0
    """Budget of that build."""
    cpus: float | None = None
    memory_mb: int | None = None
    storage_mb: int | None = None
    """Disk space that should be there; not a quota."""
    network: Literal["none", "public"] | None = None
    workdir: str | None = None
    """Absolute."""
    directories: tuple[str, ...] = ()
    """Absolute directories outside the work directory that are there, and can be written, from the start."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Of everything that runs in it, beside the task's."""
    healthcheck: Healthcheck | None = None
    """Must succeed before set-up."""


class Upload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of this machine that are put into a sandbox, read when they are needed."""

    source: str
    """Directory on this machine. In a task's file: from where that is."""
    target: str
    """Directory in the sandbox: absolute, or ``.``, the work directory."""
    files: tuple[str, ...]
    """Which files, relative to both."""
    executable: tuple[str, ...] = ()
    """Those of them that can be run."""
    clear: bool = False
    """Whatever is in ``target`` is removed first."""


class Artifact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the agent leaves that is kept, and that is put into the sandbox of an isolated verifier."""

    source: str
    """File or directory in the sandbox: absolute, or relative to the work directory."""
    destination: str = ""
    """Where it lies among the artifacts that are kept; by default at its source without the leading slash."""
    exclude: tuple[str, ...] = ()
    """Patterns of names in a directory that are left out, as ``tar --exclude`` has them."""


class Collect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command run in the agent's sandbox once the agent is dead, before artifacts are taken. It may fail."""

    command: str
    timeout: float = 60.0
    """Seconds."""


class Solution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the task is solved: for the agent ``oracle``, and for nobody else."""

    commands: tuple[str, ...]
    """Run in the work directory, one after the other, until one fails."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Put into the work directory first."""
    uploads: tuple[Upload, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
