"""Rollouts in Docker containers: what a user says about them, checked when it is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import field

from greenroom.specs.sandbox import SandboxSpec

_SIZE: Final = re.compile(r"(\d+)([kmgt]?)b?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SMALLEST: Final = 32 << 20
_USER: Final = re.compile(r"\d{1,9}:\d{1,9}")
_HOST_NETWORKS: Final = ("host", "container:")
KEEPER_UID: Final = 61999
"""The user and group of a sandbox's own first process, which no program of a rollout may be."""


class Docker(SandboxSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="docker"):
    """Containers of a Docker engine, sealed off: an agent reaches its model and nothing else.

    Programs run as a user without privileges, without capabilities and without a network. The engine is found as the
    ``docker`` command finds it: by ``DOCKER_HOST``, the current context, or the default socket.

    Raises:
        ValueError: A value is not allowed, or weakens the isolation without ``unsafe``.
    """

    image: str = ""
    """What sandboxes are made of, unless a task says so itself. It needs ``/bin/sh``; agents may need more."""
    dockerfile: str | None = None
    """A Dockerfile, or a directory with one, to build the image from instead."""
    pull: Literal["missing", "never"] = "missing"
    """Whether an image that is not there is fetched from its registry."""
    memory: str = "4g"
    """Most memory of one sandbox, swap included: bytes, or a number with ``k``, ``m``, ``g``."""
    cpus: float = 2.0
    pids: int = 1024
    """Most processes and threads of one sandbox."""
    user: str = "1000:1000"
    """Numeric user and group of all programs. User 0 needs ``unsafe``."""
    home: str = "/home/agent"
    workdir: str = "/workspace"
    read_only: bool = False
    """Nothing but ``home``, ``workdir``, ``/tmp`` and ``tmpfs`` can be written to; all of that is memory."""
    tmpfs: dict[str, str] = field(default_factory=dict[str, str])
    """File systems in memory: path to size. They count as the sandbox's memory."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Environment of all programs. Recorded with the run: no place for secrets."""
    network: str = "none"
    """``none``; or the name of a Docker network, such as ``bridge``, which opens the way out and is recorded."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that may be reached. Docker cannot enforce names, so anything but none is refused."""
    volumes: dict[str, str] = field(default_factory=dict[str, str])
    """Docker volumes by name, to where they appear (``/data`` or ``/data:ro``). Host paths need ``unsafe``."""
    devices: tuple[str, ...] = ()
    """Devices of the host. They need ``unsafe``."""
    capabilities: tuple[str, ...] = ()
    """Capabilities to keep. They need ``unsafe``."""
    privileged: bool = False
    """No isolation to speak of. Needs ``unsafe``."""
    unsafe: bool = False
    """Accept what weakens the isolation. Recorded in the outcome."""

    def __post_init__(self) -> None:
        """Raises `ValueError` that names the field for the first rule that is broken."""
        for problem in _problems(self):
            raise ValueError(problem)

    @property
    def offers(self) -> tuple[str, ...]:
        """What tasks may ask for, in the words of `greenroom.sandboxes.offers`."""
        usual = ("image", "build", "cpus", "memory", "storage", "no_network", "workdir", "directories")
        return usual if self.network == "none" else (*usual, "network")

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What this spec takes from the isolation, in words for a person."""
        return tuple(_weaknesses(self))


def parse_size(text: str) -> int:
    """Bytes. Raises `ValueError`."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a size such as 512m or 2g, got {text!r}")
    return int(found[1]) * _UNITS[found[2].lower()]


def _problems(spec: Docker) -> Iterator[str]:
    yield from _image(spec)
    yield from _limits(spec)
    yield from _paths(spec)
    if spec.allowed_hosts:
        yield "allowed_hosts: Docker cannot tell hosts by name; use network='bridge' to allow all of them, or none"
    if not _USER.fullmatch(spec.user):
        yield f"user: expected numbers such as '1000:1000', got {spec.user!r}"
    elif str(KEEPER_UID) in spec.user.split(":"):
        yield f"user: {KEEPER_UID} is the sandbox's own"
    if not spec.unsafe:
        for weakness in _unsafe(spec):
            yield f"{weakness}: needs unsafe=True"


def _image(spec: Docker) -> Iterator[str]:
    if spec.image and spec.dockerfile:
        yield "image: say either an image or a dockerfile, not both"
    if spec.image.startswith("-") or any(character.isspace() for character in spec.image):
        yield f"image: not the name of an image: {spec.image!r}"


def _limits(spec: Docker) -> Iterator[str]:
    for name, size in (("memory", spec.memory), *(("tmpfs", size) for size in spec.tmpfs.values())):
        try:
            parse_size(size)
        except ValueError as error:
            yield f"{name}: {error}"
            return
    if parse_size(spec.memory) < _SMALLEST:
        yield f"memory: expected at least 32m, got {spec.memory!r}"
    if not 0 < spec.cpus <= 1024:  # noqa: PLR2004 - beyond any machine
        yield f"cpus: expected a number above 0, got {spec.cpus!r}"
    if spec.pids < 16:  # noqa: PLR2004 - its own processes and a shell
        yield f"pids: expected 16 or more, got {spec.pids!r}"


def _paths(spec: Docker) -> Iterator[str]:
    named = {"home": [spec.home], "workdir": [spec.workdir], "tmpfs": [*spec.tmpfs]}
    named["volumes"] = [target.partition(":")[0] for target in spec.volumes.values()]
    for name, paths in named.items():
        for path in paths:
            if not path.startswith("/") or path == "/" or ".." in path.split("/") or ":" in path:
                yield f"{name}: expected an absolute path below /, got {path!r}"


def _unsafe(spec: Docker) -> Iterator[str]:
    if spec.privileged:
        yield "privileged container"
    if spec.network.startswith(_HOST_NETWORKS):
        yield f"network of the host or of another container ({spec.network})"
    if spec.user.split(":")[0] == "0":
        yield "programs run as root"
    for source in spec.volumes:
        if source.startswith(("/", ".", "~")):
            yield f"host path {source} mounted"
    if spec.devices:
        yield f"devices of the host ({', '.join(spec.devices)})"
    if spec.capabilities:
        yield f"capabilities ({', '.join(spec.capabilities)})"


def _weaknesses(spec: Docker) -> Iterator[str]:
    yield from _unsafe(spec)
    if spec.network != "none" and not spec.network.startswith(_HOST_NETWORKS):
        yield f"open network ({spec.network})"
