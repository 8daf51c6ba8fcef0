"""Containers that nobody is responsible for any more: found by what is written on them, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.admission import MOST
from greenroom.sandboxes.docker.client import Engine, typed
from greenroom.sandboxes.docker.owner import OWNER, ROLLOUT, RUN, SANDBOX, Owner, abandoned


class Found(Struct, frozen=True, kw_only=True):
    """One container of some engine of ours."""

    container: str
    name: str
    image: str
    status: str
    owner: str
    run: str
    rollout: str
    sandbox: str
    created: int
    """Seconds since 1970."""
    abandoned: str
    """Why nobody is responsible for it; empty while somebody is."""


async def find(engine: Engine, by: Owner) -> list[Found]:
    """All containers that any engine of ours has made. Raises `DockerError`."""
    return [_found(entry, by) for entry in await engine.containers(OWNER)]


async def sweep(engine: Engine, by: Owner) -> list[Found]:
    """Remove those that were left behind, and say which. Raises `DockerError`."""
    left = [found for found in await find(engine, by) if found.abandoned]
    await remove(engine, [found.container for found in left])
    return left


async def remove(engine: Engine, containers: Iterable[str]) -> None:
    """Remove containers, some at a time. Raises `DockerError`."""
    turns = asyncio.Semaphore(MOST)

    async def one(container: str) -> None:
        async with turns:
            await engine.remove(container)

    results = await asyncio.gather(*map(one, containers), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def reap_containers(names: Iterable[str]) -> None:
    """Remove the containers of these names, made by engines that are dead. Raises `SandboxError`."""
    engine = Engine(find_engine())
    try:
        async with typed("Docker cannot be used", "docker_unavailable"):
            for name in names:
                if name.startswith("greenroom-"):
                    await engine.remove(name)
    finally:
        await engine.close()


def _found(entry: dict[str, Any], by: Owner) -> Found:
    labels: dict[str, str] = entry["Labels"]
    return Found(
        container=entry["Id"],
        name=(entry["Names"] or [""])[0].lstrip("/"),
        image=entry["Image"],
        status=entry["Status"],
        owner=labels.get(OWNER, ""),
        run=labels.get(RUN, ""),
        rollout=labels.get(ROLLOUT, ""),
        sandbox=labels.get(SANDBOX, ""),
        created=int(entry["Created"]),
        abandoned=abandoned(labels, by),
    )
