"""The aiohttp rim: one server for all rollouts, on loopback and on sockets handed out of sandboxes. asyncio only.

Which socket a request comes in on says nothing about whose it is; the key does. There is nothing here but the model
endpoints of `greenroom.interception.endpoint` and an unauthenticated ``/health``: what controls a rollout is not on
this server.
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from greenroom.interception.endpoint import Endpoint
from greenroom.interception.routes import Routes
from greenroom.interception.site import Site
from greenroom.interception.transfer import request_of, send

_CLOSE_SECONDS = 1.0


class Server:
    """One HTTP server for every route of ``routes``."""

    def __init__(self, routes: Routes) -> None:
        self._limits = routes.limits
        self.endpoint = Endpoint(routes)
        self._sites: set[Site] = set()
        self._main: Site | None = None
        self._handler: web.Server | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on ``host``. Port 0 lets the system choose.

        Raises:
            OSError: The address cannot be bound.
            ValueError: ``host`` is empty, which would mean every interface.
            RuntimeError: It is started already.
        """
        if self._running is not None:
            raise RuntimeError("the server is started already")
        sock = _bind(host, port)
        self._handler = web.Server(self._respond, handler_cancellation=True)
        self._running = asyncio.create_task(self.endpoint.run(), name="greenroom interception")
        await self.endpoint.ready()
        self._main = await self._serve(sock, self._limits.connections)

    @property
    def base_url(self) -> str:
        """Where agents on this host reach it, without a path. Raises `RuntimeError` before `start`."""
        if self._main is None:
            raise RuntimeError("the server is not started")
        host, port = self._main.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def serve(self, sock: socket.socket) -> Site:
        """Serve another listening socket, inside a sandbox, which becomes the server's own.

        Raises:
            RuntimeError: The server is not started.
        """
        return await self._serve(sock, self._limits.sandbox_connections)

    async def _serve(self, sock: socket.socket, connections: int) -> Site:
        if self._handler is None:
            raise RuntimeError("the server is not started")
        site = Site(self._handler, self._limits, self._sites.discard, connections)
        self._sites.add(site)
        await site.listen(sock)
        return site

    async def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """End everything: answers that are awaited, sites, connections. Idempotent, bounded.

        Agents that wait are told to try again, if they take it within ``seconds``.
        """
        running, self._running = self._running, None
        self._main = self._handler = None
        if running is not None:
            running.cancel()
            await asyncio.wait({running}, timeout=seconds)
        await asyncio.gather(*(site.close(seconds) for site in tuple(self._sites)))

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self.endpoint.handle(request_of(request, self._limits))
        return await send(request, response, self._limits.write_seconds)


def _bind(host: str, port: int) -> socket.socket:
    if not host.strip():
        raise ValueError("the host to listen on is empty")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
