"""Removing directory trees that somebody hostile has made."""

from __future__ import annotations

import os
import time
from pathlib import Path


def remove_tree(path: str, seconds: float) -> None:
    """Delete a tree in which nobody is at work any more. A tree that does not exist is fine.

    Links are removed, never followed; modes do not matter; depth costs neither stack nor descriptors, because each
    directory's subdirectories are moved to the top before it is removed.

    Raises:
        TimeoutError: it takes longer than ``seconds``. Calling again goes on.
        OSError: something cannot be removed.
    """
    limit = time.monotonic() + seconds
    try:
        top = _enter(path, None)
    except FileNotFoundError:
        return
    try:
        while names := _clear(top, top, limit):
            for name in names:
                _remove_level(top, name, limit)
    finally:
        os.close(top)
    Path(path).rmdir()


def _remove_level(top: int, name: str, limit: float) -> None:
    level = _enter(name, top)
    try:
        while _clear(level, top, limit):
            pass  # what the directory's listing had missed
    finally:
        os.close(level)
    os.rmdir(name, dir_fd=top)


def _clear(directory: int, top: int, limit: float) -> list[str]:
    """Unlink the files; move the subdirectories to the top. Returns the names of the subdirectories met."""
    met: list[str] = []
    with os.scandir(directory) as entries:
        listing = list(entries)
    for entry in listing:
        if time.monotonic() > limit:
            raise TimeoutError("removing the directory takes too long")
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=directory)
            continue
        met.append(entry.name)
        if directory != top:
            _unlock(entry.name, directory)  # moving needs the right to write to it
            os.rename(entry.name, f".{os.urandom(8).hex()}", src_dir_fd=directory, dst_dir_fd=top)
    return met


def _unlock(name: str, parent: int) -> None:
    # Not by name, which chmod would follow were it a link by now: engines that died may not have been outlived yet.
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{fd}").chmod(0o700)
    finally:
        os.close(fd)


def _enter(name: str, parent: int | None) -> int:
    if parent is not None:
        _unlock(name, parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
