from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import threading
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import trio

from greenroom.kernel import Actor, ChildSpec, System
from greenroom.testing import Leaked, leak_check


def leaks(text: str) -> AbstractContextManager[object]:
    """What is expected of a block that leaks."""
    return pytest.raises(Leaked, match=text)


def run_process(cleanup: ExitStack, *command: str) -> subprocess.Popen[bytes]:
    """A child process, killed and waited for by ``cleanup``."""
    child = subprocess.Popen(command)
    cleanup.callback(child.wait)
    cleanup.callback(child.kill)
    return child


def run_process_to_its_end(cleanup: ExitStack, *command: str) -> None:
    """A child process that has ended and was not waited for."""
    child = run_process(cleanup, *command)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.real_time
def test_a_running_thread_is_a_leak() -> None:
    """A thread that goes on is named."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, args=[60], name="left-behind", daemon=True)
    with leaks(r"- thread 'left-behind' \(daemon\)"), leak_check():
        thread.start()
    stop.set()
    thread.join()


@pytest.mark.real_time
def test_a_thread_about_to_end_is_no_leak() -> None:
    """A thread is given the time to end."""
    with leak_check():
        threading.Timer(0.2, int).start()


def test_an_open_file_is_a_leak(tmp_path: Path) -> None:
    """A file descriptor is reported with what it points to."""
    path = tmp_path / "forgotten.log"
    with ExitStack() as cleanup, leaks(rf"- fd \d+ -> {path}"), leak_check():
        cleanup.callback(os.close, os.open(path, os.O_CREAT | os.O_WRONLY))


def test_a_descriptor_used_again_is_a_leak() -> None:
    """Another thing under the number of one that was closed is seen."""
    read, write = os.pipe()
    with leaks(rf"- fd {read} -> {os.devnull}"), leak_check(), Path(os.devnull).open() as file:
        os.dup2(file.fileno(), read)
    os.close(read)
    os.close(write)


@pytest.mark.real_time
def test_an_open_socket_is_a_leak() -> None:
    """Sockets are descriptors, too."""
    with ExitStack() as cleanup, leaks(r"- fd \d+ -> socket:"), leak_check():
        cleanup.enter_context(closing(socket.socket()))


@pytest.mark.real_time
def test_a_running_child_process_is_a_leak() -> None:
    """A child that goes on is named, with its state."""
    with ExitStack() as cleanup, leaks(r"- process \d+ 'sleep' \(running\)"), leak_check():
        run_process(cleanup, "sleep", "60")


@pytest.mark.real_time
def test_a_dead_child_nobody_waited_for_is_a_leak() -> None:
    """A zombie is a leak as well."""
    with ExitStack() as cleanup, leaks(r"- process \d+ 'true' \(dead, not waited for\)"), leak_check():
        run_process_to_its_end(cleanup, "true")


@pytest.mark.anyio
async def test_an_actor_system_is_a_leak() -> None:
    """A system that was entered and not left is named."""
    system = System("forgotten")
    with leaks("- system 'forgotten'"), leak_check("system"):
        await system.__aenter__()
    await system.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_a_system_that_was_left_is_no_leak() -> None:
    """A system takes along all it began, its tasks included."""
    async with leak_check(), System() as system:
        await system.start(ChildSpec("one", Actor))


class Straggler:
    """A task nobody waits for, which ends some turns after it was told to."""

    def __init__(self) -> None:
        self.told = anyio.Event()
        self.ended = anyio.Event()
        self.task: asyncio.Task[None] | None = None

    def start(self, backend: str) -> None:
        if backend == "trio":
            trio.lowlevel.spawn_system_task(self.run)
        else:
            self.task = asyncio.create_task(self.run(), name="Straggler.run")

    async def run(self) -> None:
        await self.told.wait()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        self.ended.set()


@pytest.mark.anyio
async def test_a_detached_task_is_a_leak(anyio_backend_name: str) -> None:
    """A task that outlives the block is reported with its name and the lines it waits at."""
    straggler = Straggler()
    with leaks(r"- task '.*Straggler.run', waiting at\n(.*\n)+    await self\.told\.wait\(\)"):
        async with leak_check():
            straggler.start(anyio_backend_name)
    straggler.told.set()
    await straggler.ended.wait()


@pytest.mark.anyio
async def test_a_task_about_to_end_is_no_leak(anyio_backend_name: str) -> None:
    """A task is given the turns it takes to end."""
    straggler = Straggler()
    async with leak_check():
        straggler.start(anyio_backend_name)
        straggler.told.set()


@pytest.mark.anyio
@pytest.mark.real_time
async def test_pools_at_rest_are_no_leak() -> None:
    """Threads that anyio and trio keep for the next call are theirs."""
    async with leak_check():
        await anyio.to_thread.run_sync(int)


@pytest.mark.anyio
async def test_clean_work_leaves_nothing() -> None:
    """Tasks, descriptors and timers that end inside the block are none of the check's business."""
    async with leak_check():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 10)
        with closing(socket.socket()):
            pass


def test_what_was_there_before_is_no_leak(tmp_path: Path) -> None:
    """Only what began inside the block counts."""
    with (tmp_path / "file").open("w"), leak_check():
        pass


def open_and_fail(cleanup: ExitStack) -> None:
    """Leak a descriptor, and raise."""
    cleanup.callback(os.close, os.open(os.devnull, os.O_RDONLY))
    raise LookupError


def test_an_error_in_the_block_wins() -> None:
    """The block's own exception is let through; what leaked is a note on it."""
    with ExitStack() as cleanup:
        with pytest.raises(LookupError) as caught, leak_check():
            open_and_fail(cleanup)
        assert any("- fd" in note for note in caught.value.__notes__)


def test_only_the_kinds_asked_for_are_looked_at() -> None:
    """A check for threads does not see files."""
    with ExitStack() as cleanup, leak_check("thread"):
        cleanup.enter_context(Path(os.devnull).open())


class Knot:
    """A cycle of references that holds a descriptor."""

    def __init__(self) -> None:
        self.me = self
        self.fd = os.open(os.devnull, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self.fd)


def test_garbage_is_no_leak() -> None:
    """What only waits for the garbage collector is collected first."""
    gc.disable()
    try:
        with leak_check():
            Knot()
    finally:
        gc.enable()
