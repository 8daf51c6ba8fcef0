"""Disks that fill up: small file systems in memory, of a test's own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_MS_RDONLY, _MS_REMOUNT = 1, 32
_MNT_DETACH = 2


@contextmanager
def small_disk(path: Path, size: str) -> Generator[Path]:
    """A file system of this size, mounted there until the block ends. Needs root."""
    path.mkdir()
    if _mount(path, 0, f"size={size}"):
        raise OSError(ctypes.get_errno(), "cannot mount a tmpfs", str(path))
    try:
        yield path
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(path), _MNT_DETACH)


def make_read_only(path: Path) -> None:
    """From now on, nothing can be written there."""
    assert _mount(path, _MS_REMOUNT | _MS_RDONLY, None) == 0


def _mount(path: Path, flags: int, options: str | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options.encode() if options else None))
