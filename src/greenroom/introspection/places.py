"""Where engines leave their sockets, and which of those are still alive."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

SUFFIX: Final = ".sock"
_BACKLOG: Final = 16
_PATH_LIMIT: Final = 107
"""Bytes of a socket's path: ``sun_path`` of unix(7) without its final zero."""
_NAME_LIMIT: Final = 32


def directories() -> list[Path]:
    """Directories that may hold sockets of this user's engines, the preferred one first."""
    places: list[Path] = []
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and runtime.is_dir():  # the login session makes it; without one, nobody else should
        places.append(runtime / "greenroom")
    state = Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"))  # noqa: PTH111 - never raises
    if state.is_absolute():
        places.append(state / "greenroom")
    return [*places, Path(tempfile.gettempdir()) / f"greenroom-{_user()}"]


def listen(name: str, pid: int) -> tuple[socket.socket, Path]:
    """A listening, non-blocking socket only this user can reach, and where it is.

    Raises:
        OSError: None of the directories can be used; the text says why for each.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no Unix sockets, so nobody can look in")
    problems: list[str] = []
    for directory in directories():
        try:
            _prepare(directory)
            return _bind(directory, f"{pid}-{_slug(name)}")
        except OSError as error:
            problems.append(f"{directory}: {error.strerror or error}")
    raise OSError("; ".join(problems))


def sockets() -> list[Path]:
    """Sockets of this user's engines that live. Those that dead engines left are removed on the way."""
    if not hasattr(socket, "AF_UNIX"):
        return []
    return [path for directory in directories() if _is_ours(directory) for path in _living(directory)]


def is_alive(path: Path) -> bool:
    """Whether somebody listens there, told by a connect that never waits."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        return probe.connect_ex(str(path)) in {0, errno.EAGAIN}  # EAGAIN: it lives, and its backlog is full


def _user() -> int:
    """Whose process this is; where users have no numbers, all files say 0."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _living(directory: Path) -> list[Path]:
    """Sockets on which somebody listens; the others are removed."""
    found = [path for path in sorted(directory.glob(f"*{SUFFIX}")) if path.is_socket()]
    living = [path for path in found if is_alive(path)]
    for path in set(found).difference(living):
        path.unlink(missing_ok=True)
    return living


def _prepare(directory: Path) -> None:
    """Make the directory, take out the dead, and refuse one that somebody else has laid there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(directory):
        raise PermissionError(f"{directory} is not a directory of this user")
    directory.chmod(0o700)
    _living(directory)


def _is_ours(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == _user()


def _bind(directory: Path, stem: str) -> tuple[socket.socket, Path]:
    path = next(path for path in _names(directory, stem) if not path.exists())
    # Bound under another name and renamed once it listens: a sweep of another process must not find it dead.
    hidden = path.with_name(f".{path.name}")
    if len(os.fsencode(hidden)) > _PATH_LIMIT:
        raise OSError(f"the path of a socket may have {_PATH_LIMIT} bytes, this one is longer")
    listener = socket.socket(socket.AF_UNIX)
    try:
        hidden.unlink(missing_ok=True)
        listener.bind(str(hidden))
        hidden.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.settimeout(0)
        hidden.rename(path)
    except OSError:
        listener.close()
        hidden.unlink(missing_ok=True)
        raise
    return listener, path


def _names(directory: Path, stem: str) -> Iterator[Path]:
    yield directory / f"{stem}{SUFFIX}"
    yield from (directory / f"{stem}-{number}{SUFFIX}" for number in count(2))


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_NAME_LIMIT].strip("-.") or "engine"
