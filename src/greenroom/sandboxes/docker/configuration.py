"""What a container is made with: the request to the engine, from the spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.docker import keeper
from greenroom.specs.docker import KEEPER_UID, Docker, parse_size

_PERIOD = 100_000
"""Microseconds over which CPU time is shared out."""
_HALF = 2


def fitted(spec: Docker, request: SandboxRequest) -> Docker:
    """The spec as a task wants it. Raises `SandboxError` for what cannot be."""
    wanted = request.environment
    if wanted is None:
        return spec
    changes: dict[str, Any] = {
        "cpus": wanted.cpus,
        "memory": None if wanted.memory_mb is None else f"{wanted.memory_mb}m",
        "workdir": wanted.workdir,
        "network": "none" if wanted.network == "none" else None,
    }
    if wanted.build or wanted.image:
        spec = replace(spec, image="" if wanted.build else wanted.image or "", dockerfile=wanted.build)
    try:
        return replace(spec, **{name: value for name, value in changes.items() if value is not None})
    except ValueError as error:
        raise SandboxError("bad_request", f"the task's environment cannot be had: {error}") from error


def container(
    spec: Docker, image: str, request: SandboxRequest, labels: Mapping[str, str], binds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The body of ``POST /containers/create``.

    The first program, the keeper, is of another user than all programs of the rollout, and neither has any
    capability. Its input is kept open once: when whoever made the container is gone, so is the container.
    """
    return {
        "Image": image,
        "Entrypoint": keeper.command(request.seconds),
        "Cmd": [],
        "User": f"{KEEPER_UID}:{KEEPER_UID}",
        "WorkingDir": "/",
        "Hostname": "sandbox",
        "Env": [f"{name}={value}" for name, value in environment(spec, request).items()],
        "Labels": dict(labels),
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": False,
        "AttachStderr": False,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host(spec, binds),
    }


def environment(spec: Docker, request: SandboxRequest) -> dict[str, str]:
    """Environment of all programs; what the image sets besides stays."""
    usual = {"HOME": spec.home, "USER": "agent", "LOGNAME": "agent", "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
    return {**usual, **spec.env, **request.env}


def owner(spec: Docker) -> tuple[int, int]:
    """User and group of the programs, and of the files that are written for them."""
    user, _, group = spec.user.partition(":")
    return int(user), int(group)


def memory_paths(spec: Docker) -> tuple[str, ...]:
    """What is a file system in memory, which the engine cannot see into."""
    return tuple(_tmpfs(spec))


def _host(spec: Docker, binds: tuple[str, ...]) -> dict[str, Any]:
    memory = parse_size(spec.memory)
    host: dict[str, Any] = {
        "AutoRemove": True,
        "Init": True,
        "NetworkMode": spec.network,
        "CapDrop": ["ALL"],
        "CapAdd": list(spec.capabilities),
        "SecurityOpt": [] if spec.privileged else ["no-new-privileges:true"],
        "Privileged": spec.privileged,
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": spec.pids,
        "CpuPeriod": _PERIOD,
        "CpuQuota": max(1000, math.floor(spec.cpus * _PERIOD)),
        "ReadonlyRootfs": spec.read_only,
        "Tmpfs": _tmpfs(spec),
        "Binds": [*(f"{source}:{target}" for source, target in spec.volumes.items()), *binds],
        "Devices": [{"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"} for path in spec.devices],
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "IpcMode": "private",
    }
    return host


def _tmpfs(spec: Docker) -> dict[str, str]:
    sizes = {path: parse_size(size) for path, size in spec.tmpfs.items()}
    if spec.read_only:
        share = parse_size(spec.memory) // _HALF
        sizes = {"/tmp": share, spec.home: share, spec.workdir: share, **sizes}  # noqa: S108 - in the container
    user, group = owner(spec)
    return {path: f"rw,exec,nosuid,nodev,size={size},uid={user},gid={group},mode=0755" for path, size in sizes.items()}
