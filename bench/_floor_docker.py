"""The floor of a rollout in a container: Docker's API by hand, over its socket, with nothing around it.

A container made like ours, but that its first program sleeps; three programs in it, each of which prints its own exit
code; and its removal. Nobody waits for events, holds a lease, bounds a wait, or removes what a failure leaves.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import aiohttp

_ROOT = "http://docker"
_SLEEP = {"Entrypoint": ["/bin/sleep", "600"], "OpenStdin": False, "StdinOnce": False, "AttachStdin": False}
PROGRAMS = 3
REQUESTS = 3 + 2 * PROGRAMS
"""For a rollout: create, start and remove; and for each program two."""


class Hand:
    """A client of the engine's socket.

    Args:
        socket: Its path.
        config: What the containers are made with.
    """

    def __init__(self, socket: str, config: dict[str, Any]) -> None:
        self._config = {**config, **_SLEEP}
        self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket, limit=0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def rollouts(self, count: int, concurrency: int) -> None:
        """So many, so many at once."""
        room = asyncio.Semaphore(concurrency)

        async def one() -> None:
            async with room:
                container = await self.made()
                for _ in range(PROGRAMS):
                    await self._execute(container, "true; echo $?")
                await self.remove(container)

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one())

    async def made(self) -> str:
        """A container that runs."""
        container: str = (await self._post("containers/create", self._config))["Id"]
        await self._post(f"containers/{container}/start")
        return container

    async def killed(self, container: str) -> float:
        """Seconds from the request to kill it to the answer that it has ended."""
        waiting = asyncio.create_task(self._post(f"containers/{container}/wait"))
        await asyncio.sleep(0)
        began = time.perf_counter()
        killing = asyncio.create_task(self._post(f"containers/{container}/kill"))
        await waiting
        seconds = time.perf_counter() - began
        await killing
        return seconds

    async def remove(self, container: str) -> None:
        """Whether it runs or not."""
        async with self._session.delete(f"{_ROOT}/containers/{container}?force=1") as answer:
            await answer.read()

    async def _execute(self, container: str, command: str) -> None:
        config = {"Cmd": ["/bin/sh", "-c", command], "AttachStdout": True, "AttachStderr": True}
        program = (await self._post(f"containers/{container}/exec", config))["Id"]
        start = {"Detach": False, "Tty": False}
        async with self._session.post(f"{_ROOT}/exec/{program}/start", json=start) as answer:
            output = await answer.read()
        if not output.endswith(b"0\n"):
            raise RuntimeError(f"a program of the floor failed: {output!r}")

    async def _post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        async with self._session.post(f"{_ROOT}/{path}", json=body) as answer:
            found: dict[str, Any] = await answer.json() if answer.content_type == "application/json" else {}
            if answer.status >= 400:
                raise RuntimeError(f"{path}: {answer.status} {found}")
            return found
