"""A proxy on an engine's socket: counts requests, and lets events get lost as they do in real life."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

_REQUEST = re.compile(rb"(?:^|\r\n)(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")


class Proxy:
    """Forwards a socket of its own to the engine's."""

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self.target = target
        self.requests: Counter[str] = Counter()
        """By method and route, with ids left out."""
        self.deaf = False
        """Events are swallowed while this is set."""
        self._events: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """For ``DOCKER_HOST``."""
        return f"unix://{self.path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self.path)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut_events(self) -> None:
        """Break the connections over which events are read."""
        for writer in self._events:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there_reader, there = await asyncio.open_unix_connection(self.target)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forward(reader, there, writer))
                tasks.create_task(self._back(there_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # the server's own task: nobody is told
        finally:
            self._events.discard(writer)
            for end in (writer, there):
                end.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        hijacked = False
        while data := await reader.read(1 << 16):
            if not hijacked and (found := _REQUEST.match(data)):
                self.requests[_name(found)] += 1
                hijacked = b"Upgrade: tcp" in data
                if b"/events?" in found[2]:
                    self._events.add(client)
            there.write(data)
            await there.drain()
        with suppress(OSError):
            there.write_eof()

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(1 << 16):
            if not (self.deaf and writer in self._events):
                writer.write(data)
                await writer.drain()
        # What the engine ends is at an end, whatever the other side still has to say.
        writer.transport.close()
        await asyncio.sleep(0)


def _name(found: re.Match[bytes]) -> str:
    route = found[2].decode().partition("?")[0]
    return f"{found[1].decode()} {re.sub(r'/(v[0-9.]+|[0-9a-f]{64})', '', route)}"
