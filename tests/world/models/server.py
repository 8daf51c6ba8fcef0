"""A model server that says, byte for byte, what it is told to say, and hangs up as it is told to."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import Struct, field

Ending = Literal["whole", "cut", "reset", "silent"]
"""What happens after the last byte.

``whole``: the connection is closed, and the length was right. ``cut``: it is closed, and more was promised.
``reset``: it is broken. ``silent``: it is held open until the client leaves.
"""

_PROMISED = 4096
"""Bytes that are promised and never come."""
_HEAD = 64 * 1024


class Asked(Struct, frozen=True, kw_only=True):
    """A request, as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body."""
        return json.loads(self.body)


class Said(Struct, frozen=True, kw_only=True):
    """What the server says to one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    pieces: tuple[bytes, ...] = ()
    """The body, each piece sent by itself."""
    ending: Ending = "whole"
    stream: bool = False
    """Server-sent events: without a length, until the connection ends."""
    wordless: bool = False
    """Not even a status comes before the ending."""

    def head(self) -> bytes:
        """Status line and headers."""
        size = sum(map(len, self.pieces)) + (_PROMISED if self.ending != "whole" else 0)
        kind = "text/event-stream" if self.stream else "application/json"
        usual = {"Content-Type": kind, "Connection": "close"} | ({} if self.stream else {"Content-Length": str(size)})
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {text}" for name, text in (usual | self.headers).items())]
        return "\r\n".join([*lines, "", ""]).encode()


NOTHING = Said(ending="silent", stream=True, headers={"Content-Type": "application/json"})
"""Status and headers, and then nothing."""


class Server(Struct, frozen=True, eq=False):
    """A server that runs."""

    url: str
    """Without a version, without a slash at the end."""
    asked: list[Asked]
    """All requests so far."""


Answer = Callable[[Asked], Said | None]
"""What to say to a request. ``None``: nothing at all, not even a status, until the client leaves."""


def said(status: int = 200, body: object = None, /, **headers: str) -> Said:
    """A JSON body, with headers whose underscores are hyphens."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Said(status=status, headers=names, pieces=(json.dumps(body).encode(),))


def events(*values: object, ending: Ending = "whole", done: bool = True) -> Said:
    """A stream of chat's events."""
    lines = [f"data: {json.dumps(value)}\n\n".encode() for value in values]
    return Said(stream=True, pieces=(*lines, *((b"data: [DONE]\n\n",) if done else ())), ending=ending)


def chat(text: str | None = "done", *, finish: str | None = "stop", **message: object) -> dict[str, Any]:
    """The body of a chat completion."""
    whole = {"role": "assistant", "content": text, **message}
    return {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": finish, "message": whole}],
    }


@asynccontextmanager
async def serving(*answers: Said | Answer | None) -> AsyncGenerator[Server]:
    """A server on loopback: the first request gets the first answer, and all that come after the last one get that."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
    server = Server(f"http://127.0.0.1:{port}", [])
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, partial(_converse, server, answers))
        yield server
        tasks.cancel_scope.cancel()


def nobody_there() -> str:
    """The URL of a port of loopback on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def _converse(server: Server, answers: tuple[Said | Answer | None, ...], stream: SocketStream) -> None:
    async with stream:
        try:
            asked = await _read(stream)
            server.asked.append(asked)
            chosen = answers[min(len(server.asked), len(answers)) - 1]
            await _say(stream, chosen(asked) if callable(chosen) else chosen)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return  # the client has left


async def _read(stream: SocketStream) -> Asked:
    reader = BufferedByteReceiveStream(stream)
    head = (await reader.receive_until(b"\r\n\r\n", _HEAD)).decode("latin-1").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:])}
    body = await reader.receive_exactly(int(headers.get("content-length", "0")))
    return Asked(path=head[0].split(" ")[1], headers=headers, body=body)


async def _say(stream: SocketStream, said: Said | None) -> None:
    if said is None:
        await _until_left(stream)
        return
    if not said.wordless:
        await stream.send(said.head())
    for piece in said.pieces:
        await stream.send(piece)
    if said.ending == "silent":
        await _until_left(stream)
    elif said.ending == "reset":
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _until_left(stream: SocketStream) -> None:
    while True:
        await stream.receive()
