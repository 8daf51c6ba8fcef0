"""The files of a run beside its database: the lock, and whole lines."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from greenroom.engine.store_errors import StoreLocked

CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
"""Not on Windows, where nothing is inherited unless it is asked for."""


def write(file: int, data: bytes) -> None:
    """Write all of it. Raises `OSError`, perhaps with a part written."""
    while data:
        data = data[os.write(file, data) :]


def lock(path: Path) -> Callable[[], None]:
    """Hold the run until what is returned is called. Raises `StoreLocked`."""
    try:
        import fcntl
    except ImportError:
        return _lock_without_flock(path)
    held = os.open(path / "lock", os.O_RDWR | os.O_CREAT | CLOEXEC, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(held, 0)
        write(held, f"{os.getpid()}\n".encode())
    except BlockingIOError:
        owner = os.read(held, 32).decode(errors="replace").strip() or "unknown"
        os.close(held)
        raise StoreLocked(
            f"the run in {path} is in use by another engine (process {owner}); stop it or choose another directory"
        ) from None
    except OSError:
        os.close(held)
        raise
    return partial(os.close, held)


def _lock_without_flock(path: Path) -> Callable[[], None]:
    """Windows has no flock; SQLite has a lock of its own wherever it runs, which ends with its holder."""
    held = sqlite3.connect(path / "lock.sqlite", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        held.close()
        raise StoreLocked(
            f"the run in {path} is in use by another engine; stop it or choose another directory"
        ) from None
    return held.close


def refuse_if_held(path: Path) -> None:
    """See that no engine holds the run, without making anything. Raises `StoreLocked`."""
    try:
        owner = _owner(path)
    except FileNotFoundError:
        return
    if owner is not None:
        raise StoreLocked(f"the run in {path} is being written by process {owner}; replay it when that has ended")


def _owner(path: Path) -> str | None:
    """Who holds the run; ``None`` for nobody. Raises `OSError`."""
    try:
        import fcntl
    except ImportError:
        return _owner_without_flock(path)
    held = os.open(path / "lock", os.O_RDONLY | CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return os.read(held, 32).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(held)


def _owner_without_flock(path: Path) -> str | None:
    if not (path / "lock.sqlite").is_file():
        return None
    with closing(sqlite3.connect(path / "lock.sqlite", timeout=0, isolation_level=None)) as database:
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return "unknown"
        return None


def sync(path: Path) -> None:
    """Make the directory's entries durable, and its own entry in its parent."""
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows keeps entries by itself, and cannot be asked to
    for directory in (path, path.parent):
        entry = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
