"""The interception: serves the model calls of all rollouts.

Keys and sockets are the stage's data. A restart drops the connections that are open, no more: agents try again and
find their route and their address as they were. That it was away is written down, for those who do not try again.
"""

from __future__ import annotations

import socket

import anyio
from msgspec import Struct

from greenroom.actors.gateway import GatewayMaker
from greenroom.actors.stage import Doors, RouteOpened
from greenroom.interception.routes import Routes
from greenroom.kernel import Actor, Call, Down, Ref, Reply, on
from greenroom.sandboxes.base import SandboxError

_CLOSE_SECONDS = 8.0


class OpenDoor(Call[str], frozen=True):
    """Serve a sandbox too. Returns the base URL of the model endpoint inside it, without a path."""

    sandbox: Ref
    """The actor whose end shuts the door."""
    listener: socket.socket | None
    base_url: str | None


class InterceptionView(Struct, frozen=True):
    """What an observer sees."""

    routes: int
    listeners: int


class Interception(Actor):
    """Owns the server."""

    def __init__(self, routes: Routes, doors: Doors, make_gateway: GatewayMaker) -> None:
        self.routes = routes
        self.doors = doors
        self.gateway = make_gateway()

    async def started(self) -> None:
        await self.gateway.start()
        self.run(self._serve(), name="serve")
        for owner, listener in list(self.doors.listeners.items()):
            if listener.fileno() != -1:
                await self.gateway.open(owner, listener)
        for owner in {*self.doors.listeners, *self.doors.routes}:
            self.monitor(owner)

    def observe(self) -> InterceptionView:
        return InterceptionView(len(self.routes), len(self.doors.listeners))

    @on(OpenDoor)
    async def open_door(self, message: OpenDoor) -> Reply[str]:
        reply: Reply[str] = self.defer()
        self.monitor(message.sandbox)
        try:
            served_at = await self.gateway.open(message.sandbox, message.listener)
        except OSError as error:  # the sandbox's trouble, not the server's
            reply.fail(SandboxError("listener_lost", f"the sandbox's socket cannot be served: {error}"))
            return reply
        if message.listener is not None:
            self.doors.listeners[message.sandbox] = message.listener
        reply.send(message.base_url or served_at)
        return reply

    @on(RouteOpened)
    def route_opened(self, message: RouteOpened) -> None:
        self.monitor(message.mailbox)

    @on(Down)
    async def owner_gone(self, down: Down) -> None:
        route = self.doors.routes.pop(down.ref, None)
        if route is not None:
            self.routes.close(route)
        self.doors.listeners.pop(down.ref, None)
        self.run(self.gateway.shut(down.ref), name="shut")

    async def _serve(self) -> None:
        # Closed by a job, which is cancelled even when the actor is killed; ``stopped`` would not run then.
        self.doors.serving = True
        try:
            await self.gateway.work()
        finally:
            self.doors.serving = False
            self.doors.outages += 1
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await self.gateway.close()
