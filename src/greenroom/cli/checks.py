"""What `greenroom doctor` looks at, one function each. They only look; the sandbox alone is really made."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from greenroom import __version__
from greenroom.cli import agents
from greenroom.cli.docker_check import docker_engine
from greenroom.cli.sandbox_check import try_sandbox
from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.platform import why_not_here
from greenroom.specs import Local

_EXTRA: Final = re.compile(r"""(?P<library>(?P<name>[\w.-]+)[^;]*?) *; *extra *== *['"](?P<extra>[\w-]+)['"]""")
"""A line of a package's metadata, such as ``click>=8.2; extra == 'cli'``."""
_DISK: Final = 2 << 30
_MEMORY: Final = 1 << 30
_FILES: Final = 4096
_USER_NAMESPACES: Final = {
    "kernel/unprivileged_userns_clone": "1",
    "kernel/apparmor_restrict_unprivileged_userns": "0",
}


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "missing", "optional"]
    """``optional``: not there, and only some things need it."""
    detail: str = ""
    remedy: str = ""
    """A command, where there is one."""
    needed: bool = False
    """Without it the bash agent cannot run in a local sandbox."""


def findings() -> list[Finding]:
    """Everything, what is needed first."""
    single = (_python, _bubblewrap, _user_namespaces, _local_sandbox, _docker, _node, _disk, _memory, _open_files)
    return [*(check() for check in single), *_agents(), *_extras()]


def _python() -> Finding:
    return Finding(name="Python", state="ok", detail=f"{platform.python_version()}, greenroom {__version__}")


def _elsewhere(name: str) -> Finding | None:
    """What only Linux has need not be looked for anywhere else."""
    reason = why_not_here(Local())
    return Finding(name=name, state="optional", detail=reason) if reason else None


def _bubblewrap() -> Finding:
    if elsewhere := _elsewhere("bubblewrap"):
        return elsewhere
    path = shutil.which("bwrap")
    if path is None:
        return Finding(
            name="bubblewrap", state="missing", remedy="apt-get install bubblewrap   (or: dnf install bubblewrap)"
        )
    return Finding(name="bubblewrap", state="ok", detail=path)


def _user_namespaces() -> Finding:
    name = "user namespaces"
    if elsewhere := _elsewhere(name):
        return elsewhere
    if os.geteuid() == 0:
        return Finding(name=name, state="ok", detail="not needed: this is root")
    for setting, wanted in _USER_NAMESPACES.items():
        if _read(f"/proc/sys/{setting}") not in {"", wanted}:
            remedy = f"sysctl -w {setting.replace('/', '.')}={wanted}"
            return Finding(name=name, state="optional", detail="restricted for ordinary users", remedy=remedy)
    if _read("/proc/sys/user/max_user_namespaces") == "0":
        remedy = "sysctl -w user.max_user_namespaces=15000"
        return Finding(name=name, state="optional", detail="switched off", remedy=remedy)
    return Finding(name=name, state="ok")


def _local_sandbox() -> Finding:
    if reason := why_not_here(Local()):
        return Finding(name="local sandbox", state="missing", detail=reason, needed=True)
    try:
        with redirect_stdout(sys.stderr):  # where structlog, left alone, prints warnings
            seconds = try_sandbox()
    except SandboxError as error:
        remedy = "see bubblewrap and user namespaces; without isolation: greenroom run --unsafe"
        detail = f"{error} {error.detail}".strip()
        return Finding(name="local sandbox", state="missing", detail=detail, remedy=remedy, needed=True)
    return Finding(name="local sandbox", state="ok", detail=f"made, used and removed in {seconds:.2f} s", needed=True)


def _docker() -> Finding:
    name = "Docker engine"
    try:
        server, address = docker_engine()
    except PermissionError as error:
        return Finding(
            name=name, state="optional", detail=str(error), remedy="usermod -aG docker $USER, then log in again"
        )
    except OSError as error:
        return Finding(name=name, state="optional", detail=str(error), remedy="apt-get install docker.io")
    return Finding(name=name, state="ok", detail=f"{server} at {address}")


def _node() -> Finding:
    found = {program: shutil.which(program) for program in ("node", "npm")}
    if all(found.values()):
        return Finding(name="node and npm", state="ok", detail=", ".join(filter(None, found.values())))
    absent = ", ".join(program for program, path in found.items() if path is None)
    detail = f"not found: {absent}; agents that need node get one of their own"
    return Finding(name="node and npm", state="optional", detail=detail, remedy="apt-get install nodejs npm")


def _disk() -> Finding:
    free = {place: shutil.disk_usage(place).free for place in (str(Path.cwd()), tempfile.gettempdir())}
    detail = ", ".join(f"{_size(size)} free in {place}" for place, size in free.items())
    if min(free.values()) < _DISK:
        return Finding(name="disk", state="optional", detail=detail, remedy=f"make room: {_size(_DISK)} or more")
    return Finding(name="disk", state="ok", detail=detail)


def _memory() -> Finding:
    fields = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines())
    if not fields:
        return Finding(name="memory", state="ok", detail="this system does not say")
    available = int(fields.get("MemAvailable", "0 kB").split()[0]) << 10
    detail = f"{_size(available)} available"
    if available < _MEMORY:
        return Finding(name="memory", state="optional", detail=detail, remedy="lower --concurrency")
    return Finding(name="memory", state="ok", detail=detail)


def _open_files() -> Finding:
    try:
        import resource
    except ImportError:
        return Finding(name="open files", state="ok", detail="this system does not say")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _FILES:
        detail = f"{soft}: enough for some {soft // 12} rollouts at a time"
        return Finding(name="open files", state="optional", detail=detail, remedy=f"ulimit -n {_FILES * 16}")
    return Finding(name="open files", state="ok", detail="no limit" if soft < 0 else str(soft))


def _agents() -> Iterator[Finding]:
    for row in agents.rows():
        state: Literal["ok", "optional"] = "optional" if row.status == "unavailable" else "ok"
        yield Finding(name=f"agent {row.name}", state=state, detail=row.detail or row.status, needed=row.name == "bash")


def _extras() -> Iterator[Finding]:
    for extra, libraries in _libraries().items():
        absent = [name for name in libraries if not _installed(name)]
        if absent:
            # By the libraries' own names: anybody could publish a package under ours.
            remedy = f"pip install {' '.join(repr(libraries[name]) for name in absent)}"
            yield Finding(
                name=f"extra {extra}", state="optional", detail=f"not found: {', '.join(absent)}", remedy=remedy
            )
        else:
            yield Finding(name=f"extra {extra}", state="ok", detail=", ".join(libraries))


def _libraries() -> dict[str, dict[str, str]]:
    """Each extra's libraries: name to requirement. Empty where greenroom runs without being installed."""
    found: dict[str, dict[str, str]] = {}
    try:
        lines = metadata.requires("greenroom") or ()
    except metadata.PackageNotFoundError:
        return found
    for match in filter(None, map(_EXTRA.fullmatch, lines)):
        found.setdefault(match["extra"], {})[match["name"]] = match["library"]
    return found


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GB"
