from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from greenroom.sandboxes.filelock import file_lock

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]
HOLDER = """
import fcntl, pathlib, sys
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
    pathlib.Path(sys.argv[1] + ".released").touch()
"""
TAKER = """
import fcntl, sys
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@asynccontextmanager
async def held_elsewhere(path: Path) -> AsyncGenerator[anyio.abc.Process]:
    """Another process holds the lock until its standard input ends."""
    argv = (sys.executable, "-c", HOLDER, str(path))
    async with await anyio.open_process(argv, stdin=subprocess.PIPE) as holder:
        assert holder.stdout
        assert (await holder.stdout.receive()).startswith(b"held")
        yield holder


async def test_the_lock_is_had_when_the_other_process_lets_go(tmp_path: Path) -> None:
    """Whoever waits has the lock after the holder has released it, not before, and keeps it."""
    path = tmp_path / "lock"
    async with held_elsewhere(path) as holder, anyio.create_task_group() as tasks:
        assert holder.stdin

        async def take() -> None:
            async with file_lock(path):
                assert path.with_name("lock.released").exists()
                tried = await anyio.run_process((sys.executable, "-c", TAKER, str(path)), check=False)
                assert b"BlockingIOError" in tried.stderr

        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        await holder.stdin.aclose()


async def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    """A cancelled wait ends at once and leaves neither a claim nor a process."""
    path = tmp_path / "lock"
    async with held_elsewhere(path) as holder:
        with anyio.fail_after(20), anyio.move_on_after(0.2) as scope:
            async with file_lock(path):
                pytest.fail("two hold the lock")
        assert scope.cancelled_caught
        holder.kill()
        await holder.wait()
    with anyio.fail_after(20):
        async with file_lock(path):
            pass


async def test_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    """A killed process loses its lock."""
    path = tmp_path / "lock"
    async with held_elsewhere(path) as holder:
        holder.kill()
        with anyio.fail_after(20):
            async with file_lock(path):
                pass


async def test_tasks_exclude_each_other(tmp_path: Path) -> None:
    """Two tasks of one process do not share the lock."""
    path = tmp_path / "lock"
    inside = 0

    async def take() -> None:
        nonlocal inside
        async with file_lock(path):
            inside += 1
            assert inside == 1
            await anyio.wait_all_tasks_blocked()
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(take)
