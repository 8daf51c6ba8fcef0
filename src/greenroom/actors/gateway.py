"""How agents reach the interception: over HTTP, or in memory where sandboxes are simulated."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import anyio

from greenroom.interception.endpoint import Endpoint
from greenroom.interception.routes import Routes
from greenroom.interception.wire import Request
from greenroom.kernel import Ref

if TYPE_CHECKING:
    from greenroom.interception.server import Server
    from greenroom.interception.site import Site


_CLOSE_SECONDS = 5.0


class Gateway(Protocol):
    """One incarnation of the server, whatever carries the requests."""

    async def start(self) -> None:
        """Begin to serve."""
        ...

    async def work(self) -> None:
        """What has to run as long as it serves; ends when it is cancelled."""
        ...

    async def open(self, owner: Ref, listener: socket.socket | None) -> str:
        """Serve a sandbox too; returns the base URL for sandboxes that do not know their own."""
        ...

    async def shut(self, owner: Ref) -> None:
        """Serve this sandbox no longer."""
        ...

    async def close(self) -> None:
        """End everything. Idempotent, bounded."""
        ...


class Switch:
    """The one address that simulated agents call; behind it is the endpoint that serves at the moment."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None

    async def connect(self, base_url: str, api_key: str, body: bytes) -> tuple[int, bytes]:
        """Post a chat completions request; status and body. Raises `ConnectionRefusedError` while nobody serves."""
        if self.endpoint is None:
            raise ConnectionRefusedError(base_url)
        headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        request = Request(method="POST", path="/v1/chat/completions", headers=headers, body=body)
        response = await self.endpoint.handle(request)
        return response.status, await response.read()


class MemoryGateway:
    """Requests are function calls: no socket, any event loop, virtual time."""

    def __init__(self, routes: Routes, switch: Switch) -> None:
        self._endpoint = Endpoint(routes)
        self._switch = switch

    async def start(self) -> None:
        """Take over the switch."""
        self._switch.endpoint = self._endpoint

    async def work(self) -> None:
        """Own the answers that are awaited."""
        await self._endpoint.run()

    async def open(self, owner: Ref, listener: socket.socket | None) -> str:
        """There is nothing to open."""
        del owner, listener
        return "memory:"

    async def shut(self, owner: Ref) -> None:
        """There is nothing to shut."""

    async def close(self) -> None:
        """Refuse from now on."""
        if self._switch.endpoint is self._endpoint:
            self._switch.endpoint = None


class HttpGateway:
    """An HTTP server on loopback and on sockets that live inside sandboxes. asyncio only."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._server: Server | None = None
        self._sites: dict[Ref, Site] = {}

    async def start(self) -> None:
        """Listen on loopback."""
        from greenroom.interception.server import Server

        server = Server(self._routes)
        try:
            await server.start()
        except BaseException:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await server.close()
            raise
        self._server = server

    async def work(self) -> None:
        """Nothing: the server has tasks of its own."""
        await anyio.sleep_forever()

    async def open(self, owner: Ref, listener: socket.socket | None) -> str:
        """Serve a duplicate of the socket: the sandbox keeps its own, for a server that comes after this one."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        if listener is not None and owner not in self._sites:
            self._sites[owner] = await self._server.serve(listener.dup())
        return self._server.base_url

    async def shut(self, owner: Ref) -> None:
        """End the connections from this sandbox."""
        site = self._sites.pop(owner, None)
        if site is not None:
            await site.close()

    async def close(self) -> None:
        """End all of it."""
        if self._server is not None:
            await self._server.close()


GatewayMaker = Callable[[], Gateway]
"""Makes a fresh one for each incarnation of the interception."""
