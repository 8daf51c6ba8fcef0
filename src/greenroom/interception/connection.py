"""One accepted connection of the aiohttp rim, with the manners aiohttp leaves to its users.

aiohttp tells a client that sends broken HTTP what exactly its parser disliked, and logs it: both would show header
lines, and with them keys. Here neither happens. Connections are counted per listening socket and refused beyond a
bound, and their tasks are known to their site, so that closing it leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from traceback import format_tb
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from greenroom.interception.dialects import FALLBACK
from greenroom.interception.errors import MALFORMED, UNAVAILABLE

SERVER_HEADER = {"Server": "greenroom"}

# aiohttp's own logger would be given request lines and headers to write down.
_SILENT = logging.getLogger("greenroom.interception.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
_SILENT.setLevel(logging.CRITICAL + 1)

_log = structlog.get_logger(__name__)
_LINGER_SECONDS = 1.0
_SERVER_ERROR = 500


def cut(transport: asyncio.Transport | None) -> None:
    """End a connection at once and for both sides.

    Closing, even aborting, leaves the kernel with whatever the client has not read yet, for minutes. A reset does not.
    """
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class Listener(Protocol):
    """What a connection tells about itself."""

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        ...

    def started(self, task: asyncio.Task[Any]) -> None:
        """``task`` serves a connection."""
        ...

    def ended(self, connection: Connection) -> None:
        """The connection is lost."""
        ...


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection."""

    def __init__(self, listener: Listener, server: web.Server, *, idle: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=idle,
            logger=_SILENT,
            access_log=_SILENT,
            lingering_time=_LINGER_SECONDS,
        )
        self._listener = listener
        # aiohttp forgets its transport when it has closed it, though that may still wait for the reader.
        self._wire: asyncio.Transport | None = None

    def end(self) -> None:
        """Close it if all that was written is on its way, reset it otherwise."""
        if self._wire is not None and self._wire.get_write_buffer_size() == 0:
            self._wire.close()
        else:
            cut(self._wire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve it, or close it at once when there are too many."""
        self._wire = cast("asyncio.Transport", transport)
        if self._listener.admit(self):
            super().connection_made(transport)
        else:
            cut(self._wire)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone."""
        self._listener.ended(self)
        super().connection_lost(exc)

    async def start(self) -> None:
        """Serve the connection's requests, one after another."""
        task = asyncio.current_task()
        if task is not None:
            self._listener.started(task)
        await super().start()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or what our handler failed at, without a word of why."""
        del message
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionResetError("the response is under way, or the client is gone: nothing can be said")
        if exc is not None and status >= _SERVER_ERROR:
            # Where it happened, not what was said: the text of an exception may quote anything.
            _log.error("request failed", error=type(exc).__name__, at=format_tb(exc.__traceback__)[-1:])
        refusal = UNAVAILABLE if status >= _SERVER_ERROR else MALFORMED
        response = web.Response(
            status=refusal.status,
            body=FALLBACK.error(refusal),
            content_type="application/json",
            headers=SERVER_HEADER,
        )
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: object) -> None:
        """Nothing: the text of these exceptions quotes what the client sent."""

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Nothing."""
