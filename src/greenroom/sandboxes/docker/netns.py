"""A listening socket inside a container's network, made from outside.

A socket belongs to the network namespace it was made in, whoever serves it. So a thread goes into the container's
namespace, listens there on the loopback address and hands the socket out; then it ends, and with it its stay. The
agent finds its model at 127.0.0.1, and there is nothing else to find. Needs root, and the engine on this machine.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from pathlib import Path

PORT = 8080
"""Where it listens."""
_BACKLOG = 512
_CLONE_NEWNET = 0x40000000


class NotHereError(Exception):
    """The container's network cannot be entered from here."""


async def listen_inside(container: str, pid: int) -> socket.socket:
    """A socket that listens on ``127.0.0.1``, port `PORT`, in the network of this container's process.

    Raises:
        NotHereError: Not root, the process is not one of this machine's, or it is not the container's.
        OSError: The port is taken.
    """
    loop = asyncio.get_running_loop()
    made: asyncio.Future[socket.socket] = loop.create_future()
    thread = threading.Thread(target=_visit, args=(container, pid, loop, made), name="greenroom netns", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        made.add_done_callback(_drop)
        raise
    finally:
        thread.join()


def _visit(container: str, pid: int, loop: asyncio.AbstractEventLoop, made: asyncio.Future[socket.socket]) -> None:
    try:
        _enter(container, pid)
        listener = _listen()
    except (OSError, NotHereError) as error:
        loop.call_soon_threadsafe(made.set_exception, error)
    else:
        loop.call_soon_threadsafe(made.set_result, listener)


def _enter(container: str, pid: int) -> None:
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotHereError(f"process {pid} is not on this machine, or not ours to enter: {error}") from error
    try:
        # Asked after the namespace was opened: the process was the container's then, too.
        if container not in _text(f"/proc/{pid}/cgroup"):
            raise NotHereError(f"process {pid} is not the container's")
        if os.fstat(namespace).st_ino == Path("/proc/self/ns/net").stat().st_ino:
            raise NotHereError("the container has no network of its own")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, _CLONE_NEWNET):
            raise NotHereError(f"its network cannot be entered: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(namespace)


def _listen() -> socket.socket:
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", PORT))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except BaseException:
        listener.close()
        raise
    return listener


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _drop(made: asyncio.Future[socket.socket]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()
