"""A way to a server that breaks off once, in the middle of a reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

_END_OF_HEAD = b"\r\n\r\n"


class Cutter:
    """Passes bytes on between clients and a server; the first reply to a POST is cut in half."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self.base_url = ""
        self.cuts = 0
        self.asked_again = anyio.Event()

    async def serve(self, client: SocketStream) -> None:
        """One connection."""
        async with client, await anyio.connect_tcp(*self._server) as server, anyio.create_task_group() as tasks:
            asked = bytearray()
            tasks.start_soon(self._ask, client, server, asked)
            await self._answer(server, client, asked)
            tasks.cancel_scope.cancel()

    async def _ask(self, client: ByteStream, server: ByteStream, asked: bytearray) -> None:
        while data := await _receive(client):
            asked += data
            if self.cuts and asked.startswith(b"POST"):
                self.asked_again.set()
            await server.send(data)

    async def _answer(self, server: ByteStream, client: ByteStream, asked: bytearray) -> None:
        reply = b""
        while data := await _receive(server):
            reply += data
            head, _, body = reply.partition(_END_OF_HEAD)
            if self.cuts or not asked.startswith(b"POST"):
                await client.send(data)
            elif body:
                self.cuts += 1
                await client.send(head + _END_OF_HEAD + body[: len(body) // 2])
                return


async def _receive(stream: ByteStream) -> bytes:
    try:
        return await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return b""


@asynccontextmanager
async def cutter(base_url: str) -> AsyncGenerator[Cutter]:
    """One in front of the server at ``base_url``."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    cut = Cutter(host, int(port))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        cut.base_url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 - no SQL
        tasks.start_soon(listener.serve, cut.serve)
        yield cut
        tasks.cancel_scope.cancel()
