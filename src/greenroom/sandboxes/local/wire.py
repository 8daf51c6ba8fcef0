"""The engine's end of the line to a keeper.

Each request carries a pipe of its own for the answer, so there is nothing to demultiplex and nobody has to read for
others: who asks, waits. The end of that pipe without an answer means that the keeper is gone.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec

from greenroom.sandboxes.local.keeper import READY

_CREDENTIALS = struct.Struct("3i")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(array.array("i").itemsize)


class HangupError(Exception):
    """The keeper is gone."""


class Pipe:
    """The reading end of a pipe. Its owner closes it; a second close does nothing."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def read(self) -> bytes:
        """What has arrived, at most 64 KiB; empty at the end. Raises `anyio.ClosedResourceError`."""
        if self._fd < 0:
            raise anyio.ClosedResourceError
        await anyio.wait_readable(self._fd)
        if self._fd < 0:
            raise anyio.ClosedResourceError
        return os.read(self._fd, 65536)

    def read_nowait(self) -> bytes:
        """What has arrived; empty when nothing has, at the end, and after `close`."""
        try:
            return os.read(self._fd, 65536) if self._fd >= 0 else b""
        except BlockingIOError:
            return b""

    async def answer(self) -> dict[str, Any]:
        """The keeper's answer. Raises `HangupError`."""
        data = await self.read()  # the keeper writes answers in one piece
        if not data:
            raise HangupError
        return msgspec.json.decode(data, type=dict[str, Any])

    def close(self) -> None:
        """Those who wait get `anyio.ClosedResourceError`."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            anyio.notify_closing(fd)
            os.close(fd)


class Wire:
    """The control socket of one sandbox."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket = ours
        self.theirs = theirs
        """The keeper's end: to be inherited by it, and to be closed here then."""
        self._turn = anyio.Lock()

    async def ready(self) -> tuple[int, socket.socket | None]:
        """Wait for the keeper. Returns its process id, as seen from here, and the listening socket it made."""
        await anyio.wait_readable(self._socket)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(len(READY), _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            raise HangupError from None
        received = {kind: content for _, kind, content in ancillary}
        listener = _listener(received.get(socket.SCM_RIGHTS, b""))
        if data != READY:
            raise HangupError
        return _CREDENTIALS.unpack(received[socket.SCM_CREDENTIALS])[0], listener

    async def send(self, ask: dict[str, Any], *fds: int) -> Pipe:
        """Hand a request over; the answer comes through the pipe returned. Cancelled, it was not sent."""
        with pipe() as (answer, reply), memory(msgspec.json.encode(ask)) as body:
            async with self._turn:
                await self._send([body, reply, *fds])
        return answer

    async def _send(self, fds: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self._socket, [b"!"], fds)
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except ConnectionError:
                raise HangupError from None
            else:
                return

    def close(self) -> None:
        """Hang up: the keeper ends itself and all with it."""
        self.theirs.close()
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()


@contextmanager
def pipe() -> Generator[tuple[Pipe, int]]:
    """A pipe whose writing end is closed when the block ends, and whose reading end survives it unless it fails."""
    read, write = os.pipe()
    reader = Pipe(read)
    try:
        yield reader, write
    except BaseException:
        reader.close()
        raise
    finally:
        os.close(write)


@contextmanager
def memory(content: bytes = b"") -> Generator[int]:
    """The file descriptor of an anonymous file in memory with this content, positioned at its start."""
    fd = os.memfd_create("greenroom")
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _listener(content: bytes) -> socket.socket | None:
    fds = array.array("i", content)
    if not fds:
        return None
    listener = socket.socket(fileno=fds[0])
    listener.settimeout(0)
    return listener
