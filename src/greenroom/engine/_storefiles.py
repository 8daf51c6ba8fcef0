"""The files of a run beside its database: the lock, and whole lines."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from greenroom.engine.store_errors import StoreLocked


def write(file: int, data: bytes) -> None:
    """Write all of it. Raises `OSError`, perhaps with a part written."""
    while data:
        data = data[os.write(file, data) :]


def lock(path: Path) -> int:
    """Hold the run until the returned descriptor is closed. Raises `StoreLocked`."""
    held = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
    return held


def sync(path: Path) -> None:
    """Make the directory's entries durable, and its own entry in its parent."""
    for directory in (path, path.parent):
        entry = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
