"""Real sockets for the tests of the aiohttp rim."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import aiohttp

from greenroom.interception import Routes
from greenroom.interception.server import Server
from tests.interception.talk import Fields, body

CHAT = "/v1/chat/completions"


@asynccontextmanager
async def serving(routes: Routes) -> AsyncGenerator[Server]:
    """A server that listens on loopback."""
    server = Server(routes)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def client(key: str, base_url: str) -> AsyncGenerator[aiohttp.ClientSession]:
    """An HTTP client that carries ``key``."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(base_url, connector=connector, headers=headers) as session:
        yield session


def address_of(server: Server) -> tuple[str, int]:
    """Where the server listens."""
    host, port = server.base_url.removeprefix("http://").split(":")
    return host, int(port)


@asynccontextmanager
async def raw(server: Server) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection to the server."""
    reader, writer = await asyncio.open_connection(*address_of(server))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):  # the server may have cut it
            await writer.wait_closed()


async def converse(server: Server, data: bytes) -> bytes:
    """Send raw bytes and read until the server closes."""
    async with raw(server) as (reader, writer):
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 10)


def plain(key: str, fields: Fields | None = None, **headers: str) -> bytes:
    """A chat request as bytes, after which the connection is closed."""
    content = json.dumps(body() if fields is None else fields).encode()
    lines = {
        "Host": "x",
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {CHAT} HTTP/1.1\r\n{head}\r\n".encode() + content


def listening() -> socket.socket:
    """Another listening socket, as a sandbox hands one out."""
    return socket.create_server(("127.0.0.1", 0))
