"""The floor of a local rollout: as little as runs the same agent, sealed the same, and keeps as many bytes.

    teach {argv, place, bytes}          the bubblewrap command line, the directory in it that is each rollout's own, and
                                        the bytes that each leaves in the store
    lap {url, count, concurrency}       so many rollouts; what they have cost this process

A rollout is two directories, one `posix_spawn` of that command line with the agent and ``true`` behind it, watched by a
pidfd; model calls that a bare aiohttp server forwards with a bare aiohttp client; and a row in a SQLite group commit.
Its sandbox shares the network, since there is no listener inside. It looks into nothing, and nothing has a deadline.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from _child import Fields, attend
from _engine_load import measured, program
from _floor_store import Journal, Table

_JSON = {"content-type": "application/json"}


class Floor:
    """The commands."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._argv: list[str] = []
        self._place = ""
        self._bytes = b""
        self._laps = 0

    async def teach(self, fields: Fields) -> Fields:
        self._argv, self._place = fields["argv"], fields["place"]
        self._bytes = os.urandom(fields["bytes"])
        return {}

    async def lap(self, fields: Fields) -> Fields:
        self._laps += 1
        path = self._root / str(self._laps)
        path.mkdir()
        found: Fields = {}
        async with measured(fields["count"], found):
            with Table(path / "kept.db") as table:
                await self._play(path, table, fields)
        return found

    async def _play(self, path: Path, table: Table, fields: Fields) -> None:
        room, journal = asyncio.Semaphore(fields["concurrency"]), Journal(table)
        keeping = asyncio.create_task(journal.run())
        async with Calls(fields["url"]) as calls, asyncio.TaskGroup() as group:
            for number in range(fields["count"]):
                await room.acquire()
                rollout = self._rollout(path / str(number), calls.url, journal)
                group.create_task(rollout).add_done_callback(lambda _: room.release())
        keeping.cancel()

    async def _rollout(self, place: Path, url: str, journal: Journal) -> None:
        for directory in (place, place / "home", place / "workspace"):
            directory.mkdir(0o700)
        seal = [text.replace(self._place, str(place)) for text in self._argv]
        env = [f"OPENAI_BASE_URL={url}/v1", "OPENAI_API_KEY=none", "OPENAI_MODEL=bench"]
        if await _ran([*seal, "/usr/bin/env", *env, "/bin/sh", "-c", '"$@" && true', "sh", *program()]):
            raise RuntimeError("a rollout of the floor failed")
        await journal.keep((place.name, self._bytes))
        shutil.rmtree(place)


async def _ran(argv: list[str]) -> int:
    """Its exit code."""
    pidfd = _spawned(argv)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
    return _reaped(pidfd)


def _spawned(argv: list[str]) -> int:
    return os.pidfd_open(os.posix_spawn(argv[0], argv, {}))


def _reaped(pidfd: int) -> int:
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)
    return result.si_status if result else -1


class Calls:
    """Forwards model calls."""

    def __init__(self, upstream: str) -> None:
        self._upstream = f"{upstream}/v1/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(web.Server(self._forward), "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await self._session.close()

    async def _forward(self, request: web.BaseRequest) -> web.Response:
        async with self._session.post(self._upstream, data=await request.read(), headers=_JSON) as answer:
            return web.Response(body=await answer.read(), headers=_JSON)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-floor-") as root:
        floor = Floor(Path(root))
        await attend({"teach": floor.teach, "lap": floor.lap})


if __name__ == "__main__":
    asyncio.run(main())
