"""One listening socket of the aiohttp rim, and the connections accepted on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from greenroom.interception.connection import Connection
from greenroom.interception.limits import Limits

_BACKLOG = 1024
_UNWIND_SECONDS = 1.0


class Site:
    """A socket the server listens on. Made by `Server.start` and `Server.serve`."""

    def __init__(self, server: web.Server, limits: Limits, on_close: Callable[[Site], None], connections: int) -> None:
        self._server = server
        self._limits = limits
        self._most = connections
        self._on_close = on_close
        self._listening: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(self, sock: socket.socket) -> None:
        """Take over ``sock``, which is bound, and accept on it."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._accept, sock=sock, backlog=_BACKLOG)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port. Raises `RuntimeError` when it does not listen."""
        sockets = self._listening.sockets if self._listening else ()
        if not sockets:
            raise RuntimeError("the site does not listen")
        host, port = sockets[0].getsockname()[:2]
        return str(host), int(port)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= self._most:
            return False
        self._connections.add(connection)
        return True

    def started(self, task: asyncio.Task[Any]) -> None:
        """``task`` serves a connection."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ended(self, connection: Connection) -> None:
        """A connection is lost."""
        self._connections.discard(connection)

    async def close(self, seconds: float = 1.0) -> None:
        """Stop listening; let responses that are under way end within ``seconds``, then cut. Idempotent, bounded."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        self._on_close(self)
        try:
            for connection in list(self._connections):
                connection.close()
            await self._unwound(seconds)
        finally:
            self._end()
        await self._unwound(_UNWIND_SECONDS)
        # A transport reports its end, and gives up its descriptor, in the loop's next round.
        await asyncio.sleep(0)

    async def _unwound(self, seconds: float) -> None:
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=seconds)

    def _end(self) -> None:
        for connection in list(self._connections):
            connection.end()
        for task in list(self._tasks):
            task.cancel()

    def _accept(self) -> Connection:
        return Connection(self, self._server, idle=self._limits.idle_seconds)
