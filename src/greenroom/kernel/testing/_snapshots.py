"""What is alive in this process right now, kind by kind.

Each snapshot maps what identifies a thing, and keeps the identity from being used again, to its description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import anyio

from greenroom.kernel.testing._deadlock import await_stack
from greenroom.kernel.testing._threads import stray_threads

Kind = Literal["thread", "task", "fd", "process", "system"]
Snapshot = Mapping[object, str]

_SELF = Path("/proc/self")


def threads() -> Snapshot:
    """Threads, without those that rest in a pool."""
    return {thread: f"{thread.name!r}{' (daemon)' * thread.daemon}" for thread in stray_threads(())}


def tasks() -> Snapshot:
    """Tasks of the running loop, with the line each waits at; none where no loop runs."""
    try:
        running = anyio.get_running_tasks()
    except anyio.NoEventLoopError:
        return {}
    return {task.coro: _task(task) for task in running if not _hosts(task)}


def fds() -> Snapshot:
    """Open file descriptors and what they point to; none where the system has no ``/proc``."""
    targets = {link.name: _target(link) for link in (_SELF / "fd").glob("*")}
    return {(fd, target): f"{fd} -> {target}" for fd, target in targets.items() if target}


def processes() -> Snapshot:
    """Child processes, the dead that nobody has waited for included; none where the system has no ``/proc``."""
    lists = (_read(task / "children") for task in (_SELF / "task").glob("*"))
    return {pid: _process(pid) for children in lists for pid in children.split()}


def systems() -> Snapshot:
    """Actor systems that have not ended."""
    from greenroom.kernel import _system

    return {system: repr(system.name) for system in _system.live_systems()}


SNAPSHOTS: Mapping[Kind, Callable[[], Snapshot]] = {
    "thread": threads,
    "task": tasks,
    "fd": fds,
    "process": processes,
    "system": systems,
}


def _task(task: anyio.TaskInfo) -> str:
    return f"{task.name!r}, waiting at\n{''.join(await_stack(task.coro))}".rstrip()


def _hosts(task: anyio.TaskInfo) -> bool:
    # AnyIO's test runner starts a task of its own for every fixture and test it calls.
    return getattr(task.coro, "__qualname__", "").startswith("TestRunner.")


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # the descriptor that listed the folder
        return ""


def _process(pid: str) -> str:
    # proc(5): "pid (name) state ..."; the name may hold anything, parentheses included.
    name, _, rest = _read(Path(f"/proc/{pid}/stat")).rpartition(")")
    state = "dead, not waited for" if rest.startswith(" Z") else "running"
    return f"{pid} {name.partition('(')[2]!r} ({state})"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # ended in between
        return ""
