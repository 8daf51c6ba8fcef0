"""The one stream of events that tells of every exit in every container.

A task reads it that never waits for anybody: an engine drops events, silently, for a reader that is slow. What
happens is handed on by resolving futures and setting flags. The stream is opened before the first container is made,
and an exit is registered before its program starts, so that no exit can come too early.

An event can still be lost: with the connection, with the engine (which remembers no more than 256), or while the
engine is down. So whoever waits is woken by the end of their own connection as well, and asks; and after every
reconnection, all that is known is compared with what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import uniform
from typing import Protocol

import aiohttp
import msgspec
import structlog
from aiodocker import DockerError
from msgspec import Struct, field

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.docker.client import Engine, typed
from greenroom.sandboxes.docker.owner import OWNER

_log = structlog.get_logger(__name__)
_KINDS = ("die", "oom", "destroy", "exec_die")
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 3.0


class _Actor(Struct):
    ID: str = ""
    Attributes: dict[str, str] = field(default_factory=dict[str, str])


class _Event(Struct):
    """See the engine's API, ``GET /events``."""

    Action: str = ""
    Actor: _Actor = field(default_factory=_Actor)


class Watched(Protocol):
    """A container somebody is responsible for."""

    def died(self, code: int) -> None:
        """Its first program ended."""
        ...

    def ran_out_of_memory(self) -> None:
        """The kernel killed something in it."""
        ...

    def removed(self) -> None:
        """Nothing of it is left."""
        ...


_decode = msgspec.json.Decoder(_Event).decode


class Events:
    """Reads the stream, for all containers of one owner."""

    def __init__(self, engine: Engine, owner: str, reconnected: Callable[[], object]) -> None:
        """``reconnected`` is called, and must not wait, whenever events may have been missed."""
        self._engine = engine
        self._filters = msgspec.json.encode(
            {"type": ["container"], "label": [f"{OWNER}={owner}"], "event": _KINDS}
        ).decode()
        self._reconnected = reconnected
        self.connected = asyncio.Event()
        """Whether the engine is listened to at the moment."""
        self.containers: dict[str, Watched] = {}
        """By container id. Whoever registers strikes off."""
        self.exits: dict[str, asyncio.Future[int]] = {}
        """Exits of programs that run, by exec id. Struck off when they are resolved."""

    async def read(self) -> None:
        """Read until cancelled; lost connections are made anew."""
        delay = 0.0
        while True:
            await asyncio.sleep(delay)
            try:
                await self._follow()
                delay = _FIRST_DELAY
            except Exception as error:  # noqa: BLE001 - whatever it is: without this reader nobody hears of any exit
                was_connected = self.connected.is_set()
                delay = _FIRST_DELAY if was_connected else min(_LONGEST_DELAY, (delay or _FIRST_DELAY) * uniform(1, 2))  # noqa: S311 - no secret
                if was_connected or not isinstance(error, DockerError | aiohttp.ClientError | OSError):
                    _log.warning("docker_events_lost", error=f"{type(error).__name__}: {error}")
            finally:
                self.connected.clear()

    def exit_of(self, exec_id: str) -> asyncio.Future[int]:
        """The exit of a program that has not been started yet."""
        future = self.exits[exec_id] = asyncio.get_running_loop().create_future()
        future.add_done_callback(partial(self._strike_off, exec_id))
        return future

    def _strike_off(self, exec_id: str, exit: asyncio.Future[int]) -> None:
        self.exits.pop(exec_id, None)
        if not exit.cancelled():
            exit.exception()  # whoever still waits gets it; where nobody does, asyncio is not to complain

    async def ask(self, exec_id: str) -> None:
        """Ask the engine for an exit that may have been missed."""
        exit = self.exits.get(exec_id)
        if exit is None or exit.done():
            return
        try:
            async with typed("a program cannot be examined", "sandbox_lost"):
                state = await self._engine.inspect_exec(exec_id)
        except SandboxError as error:
            if not exit.done() and error.kind != "daemon_lost":
                exit.set_exception(error)
            return
        if not exit.done() and not state["Running"]:
            exit.set_result(int(state["ExitCode"] or 0))

    async def _follow(self) -> None:
        async with self._engine.stream("events", filters=self._filters) as response:
            self.connected.set()
            self._reconnected()
            async for line in response.content:
                with suppress(msgspec.DecodeError):
                    self._tell(_decode(line))

    def _tell(self, event: _Event) -> None:
        attributes = event.Actor.Attributes
        if event.Action.startswith("exec_die"):
            future = self.exits.get(attributes.get("execID", ""))
            if future is not None and not future.done():
                future.set_result(_number(attributes.get("exitCode")))
            return
        watched = self.containers.get(event.Actor.ID)
        if watched is None:
            return
        match event.Action:
            case "die":
                watched.died(_number(attributes.get("exitCode")))
            case "oom":
                watched.ran_out_of_memory()
            case "destroy":
                watched.removed()
            case _:
                pass


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() else -1
