"""An exclusive lock between processes, awaited without polling and without a thread."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

_WAIT = "import fcntl, sys; fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX)"


@asynccontextmanager
async def file_lock(path: Path) -> AsyncGenerator[int]:
    """Hold ``flock(2)`` on ``path``, which is created when missing and never removed; gives the descriptor.

    Waiting can be cancelled at any moment. A dead holder loses its lock, unless a child process that was given the
    descriptor lives on. Raises `OSError`.
    """
    import fcntl  # here: what locks nothing runs where there is none

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        await _acquire(descriptor)
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


async def _acquire(descriptor: int) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        await _acquire_by_proxy(descriptor)


async def _acquire_by_proxy(descriptor: int) -> None:
    # A blocking flock in a worker thread could not be cancelled. The lock belongs to the open file, which a child
    # shares with us: it waits in our place, and what it acquires stays ours when it exits.
    waiter = [sys.executable, "-I", "-S", "-c", _WAIT, str(descriptor)]
    ended = await anyio.run_process(
        waiter, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False, pass_fds=(descriptor,)
    )
    if ended.returncode != 0:
        raise OSError(f"waiting for the lock failed with {ended.returncode}: {ended.stderr.decode(errors='replace')}")
