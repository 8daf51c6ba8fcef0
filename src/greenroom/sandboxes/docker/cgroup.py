"""The processes of a container as this machine sees them, when the engine runs here and we are root.

What can be done from outside is done from outside: it asks nothing of the engine, needs no room for one more process
inside, and nothing inside can get in its way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.local.keeper import end
from greenroom.specs.docker import KEEPER_UID

# Where an engine puts the processes of a container, by how it uses cgroups.
_GROUPS = (
    "/sys/fs/cgroup/pids/docker/{id}/cgroup.procs",
    "/sys/fs/cgroup/docker/{id}/cgroup.procs",
    "/sys/fs/cgroup/system.slice/docker-{id}.scope/cgroup.procs",
    "/sys/fs/cgroup/pids/system.slice/docker-{id}.scope/cgroup.procs",
)

# What a paused container is thawed with, by how the engine uses cgroups.
_FREEZERS = (
    ("/sys/fs/cgroup/freezer/docker/{id}/freezer.state", "THAWED"),
    ("/sys/fs/cgroup/freezer/system.slice/docker-{id}.scope/freezer.state", "THAWED"),
    ("/sys/fs/cgroup/docker/{id}/cgroup.freeze", "0"),
    ("/sys/fs/cgroup/system.slice/docker-{id}.scope/cgroup.freeze", "0"),
)


def group_of(container: str) -> Path | None:
    """The file that lists the container's processes; ``None`` if they cannot be told, or not be killed."""
    if os.geteuid():
        return None
    return next((path for pattern in _GROUPS if (path := Path(pattern.format(id=container))).exists()), None)


def process_in(group: Path) -> int | None:
    """Some process of the container."""
    return next(_processes(group), None)


async def kill_all(group: Path) -> None:
    """Kill all but the keeper; returns when they are gone. Raises `SandboxError`."""
    try:
        await anyio.to_thread.run_sync(end, lambda: (pid for pid in _processes(group) if not _is_keepers(pid)))
    except TimeoutError as error:
        raise SandboxError("not_quiet", f"processes in the sandbox could not be killed: {error}") from error


async def thaw(container: str) -> None:
    """Let a paused container go on, so that it can be ended, where that is ours to do.

    A container that is paused while a program is being started in it can be neither resumed nor removed by the engine,
    which waits for that start.
    """
    if not os.geteuid():
        await anyio.to_thread.run_sync(_thaw, container)


def _thaw(container: str) -> None:
    for pattern, word in _FREEZERS:
        with suppress(OSError):  # it is not there, or the container is gone
            Path(pattern.format(id=container)).write_text(word)


def _processes(group: Path) -> Iterator[int]:
    try:
        # 0 stands for a process that cannot be seen from here.
        yield from (pid for line in group.read_text().split() if (pid := int(line)))
    except OSError:
        return  # the container is gone, and they with it


def _is_keepers(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return f"\nUid:\t{KEEPER_UID}\t" in status
