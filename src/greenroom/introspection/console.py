"""The engine's side of ``greenroom ps``: an actor that serves a socket only this user can reach.

It looks, and changes settings that are made to be changed. Nothing about it can hurt the engine: without a place for
its socket, or a file descriptor left to take a client with, it lives on and tries again later.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import SocketListener, SocketStream, TaskGroup
from msgspec import Struct

from greenroom.introspection import places
from greenroom.introspection.session import Session, Subject, Tune, refuse_all
from greenroom.kernel import Actor, ChildSpec, Exit, on

CLIENTS: Final = 32
"""Clients at a time; one more is told so and sent away."""
_RETRY_SECONDS: Final = 5.0

_log = logging.getLogger("greenroom.introspection")


class ConsoleState(Struct, frozen=True):
    """What the console shows of itself."""

    socket: str
    """Path, empty without one."""
    problem: str
    """Why there is no socket, or why it could not take a client last time."""
    clients: int
    served: int
    refused: int


class _Listen(Struct, frozen=True):
    """Open the socket again."""


class _Interrupted(Struct, frozen=True):
    """No client can be taken for now."""

    problem: str


def console_spec(name: str, snapshot: Callable[[], object], tune: Tune = refuse_all) -> ChildSpec:
    """The console as a child of an engine.

    Args:
        name: what the engine is called in listings.
        snapshot: synchronous and cheap; what it returns is shown as plain data, fields named like secrets masked.
        tune: synchronous and cheap; changes settings by name and text, and returns what is new. Raises `ValueError`.
    """
    return ChildSpec("console", lambda: Console(name, snapshot, tune), restart="permanent")


class Console(Actor):
    """Answers `greenroom.introspection.client.Client` about the system it lives in."""

    def __init__(self, name: str, snapshot: Callable[[], object], tune: Tune) -> None:
        self._name = name
        self._snapshot = snapshot
        self._tune = tune
        self._path: Path | None = None
        self._socket: socket.socket | None = None
        self._problem = ""
        self._clients = 0
        self._served = 0
        self._refused = 0

    async def started(self) -> None:
        """Listen, if there is a place to listen at."""
        self._listen(_Listen())

    async def stopped(self, exit: Exit) -> None:
        """Remove the socket."""
        del exit
        self._close()

    def observe(self) -> ConsoleState:
        """Where it listens and how busy it is."""
        path = "" if self._path is None else str(self._path)
        return ConsoleState(path, self._problem, self._clients, self._served, self._refused)

    @on(_Listen)
    def _listen(self, message: _Listen) -> None:
        del message
        try:
            self._socket, self._path = places.listen(self._name, os.getpid())
        except OSError as error:
            self._wait(str(error))
        else:
            self._problem = ""
            self.run(self._serve(self._socket), then=_Interrupted, name="serve")

    @on(_Interrupted)
    def _interrupted(self, message: _Interrupted) -> None:
        self._wait(message.problem)

    def _wait(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("the console cannot be reached: %s", problem)
        self._problem = problem
        self.after(_RETRY_SECONDS, _Listen(), key="listen")

    async def _serve(self, listening: socket.socket) -> str:
        """Take clients until that fails; why it did."""
        try:
            listener = await SocketListener.from_socket(listening)
            problem = ""
            async with anyio.create_task_group() as clients:
                problem = await self._take_clients(listening, listener, clients)
                clients.cancel_scope.cancel()
            return problem
        finally:
            self._close()  # here too: `stopped` does not run when the actor is killed

    async def _take_clients(self, listening: socket.socket, listener: SocketListener, clients: TaskGroup) -> str:
        try:
            while True:
                # `accept` waits too, but on asyncio the loop hears an error if somebody connects as it is cancelled.
                await anyio.wait_readable(listening)
                clients.start_soon(self._converse, await listener.accept())
        except anyio.BrokenResourceError as error:
            return str(error.__cause__ or error)

    async def _converse(self, stream: SocketStream) -> None:
        session = Session(stream, Subject(self._name, os.getpid(), self.system, self._snapshot, self._tune))
        if self._clients >= CLIENTS:
            self._refused += 1
            await session.refuse(f"{CLIENTS} clients are connected already; try again later")
            return
        self._clients += 1
        self._served += 1
        try:
            await session.run()
        finally:
            self._clients -= 1

    def _close(self) -> None:
        if self._path is not None:
            with suppress(OSError):  # whoever lists engines removes it
                self._path.unlink(missing_ok=True)
        if self._socket is not None:
            self._socket.close()
        self._path = self._socket = None
