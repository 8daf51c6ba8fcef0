"""How one sandbox is made: create, take hold of its keeper, start, and open the way to the model."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

from aiodocker import DockerError
from msgspec import Struct

from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.docker import configuration, doorway, netns
from greenroom.sandboxes.docker.cgroup import group_of, process_in
from greenroom.sandboxes.docker.client import CONFLICT, NOT_FOUND, Hijacked, refusal, typed
from greenroom.sandboxes.docker.doorway import Doorway
from greenroom.sandboxes.docker.life import Life
from greenroom.sandboxes.docker.sandbox import Body, DockerSandbox, House
from greenroom.specs import Docker

_DOOR_SECONDS = 30.0
_REMOVAL_SECONDS = 20.0
_NO_NETWORK_OF_ITS_OWN = ("host", "container:")


class Ground(House, Protocol):
    """What a boot needs of its backend."""

    def suspect(self) -> None:
        """A container may have been made that nobody knows of."""
        ...


class Plan(Struct, frozen=True, kw_only=True):
    """One sandbox, decided."""

    request: SandboxRequest
    spec: Docker
    image: str
    name: str
    labels: Mapping[str, str]


async def boot(ground: Ground, plan: Plan) -> DockerSandbox:
    """Make it. Failed, it leaves nothing. Raises `SandboxError`."""
    with ExitStack() as stack:
        apart = not plan.spec.network.startswith(_NO_NETWORK_OF_ITS_OWN)
        door = stack.enter_context(Doorway()) if apart and doorway.needed() else None
        life = Life(plan.request.id)
        container = await _create(ground, plan, (door.bind,) if door else ())
        ground.events.containers[container] = life
        try:
            body = await _start(ground, plan, container, life, look_in=apart and door is None)
        except BaseException:
            ground.events.containers.pop(container, None)
            await _remove(ground, container)
            raise
        # No checkpoint until somebody is responsible for it.
        sandbox = DockerSandbox(ground, plan.request, body, _url(body.listener))
        if door is not None:
            await _open_from_inside(sandbox, door)
        return sandbox


async def _create(ground: Ground, plan: Plan, binds: tuple[str, ...]) -> str:
    config = configuration.container(plan.spec, plan.image, plan.request, plan.labels, binds)
    what = "the container cannot be made"
    try:
        async with typed(what, "create_refused"):
            try:
                return await ground.engine.create(config, plan.name)
            except DockerError as error:
                kinds = {NOT_FOUND: "image_missing", CONFLICT: "bad_request"}
                raise refusal(error, what, kinds.get(error.status, "create_refused")) from error
    except SandboxError as error:
        if error.kind in ("daemon_lost", "daemon_slow"):
            ground.suspect()  # it may have been made all the same
        raise


async def _start(ground: Ground, plan: Plan, container: str, life: Life, *, look_in: bool) -> Body:
    line = await _take_hold(ground, container)
    try:
        group = group_of(container)
        listener = await _open_from_outside(ground, container, group, life) if look_in else None
    except BaseException:
        await line.close()
        raise
    return Body(spec=plan.spec, container=container, life=life, line=line, listener=listener, group=group)


async def _take_hold(ground: Ground, container: str) -> Hijacked:
    """Hold the keeper's input before it runs, so that there is no moment at which it could be left alone."""
    async with typed("the container cannot be started", "start_refused"):
        line = await ground.engine.hijack(f"containers/{container}/attach", stdin="1", stdout="1", stream="1")
        try:
            await ground.engine.start(container)
        except BaseException:
            await line.close()
            raise
    line.send(b"\n")
    return line


async def _open_from_outside(ground: Ground, container: str, group: Path | None, life: Life) -> socket.socket:
    try:
        pid = (process_in(group) if group else None) or await _pid(ground, container)
        return await netns.listen_inside(container, pid)
    except netns.NotHereError as error:
        text = f"the way to the model cannot be opened: {error}; greenroom has to run on the Docker engine's machine"
        raise (await life.death(0)) or SandboxError("network_refused", text) from error
    except OSError as error:
        raise SandboxError("boot_failed", f"nobody can listen in the sandbox's network: {error}") from error


async def _open_from_inside(sandbox: DockerSandbox, door: Doorway) -> None:
    try:
        sandbox.listener = door.receive(await sandbox.exec(door.program, timeout=_DOOR_SECONDS))
        sandbox.base_url = _url(sandbox.listener)
    except BaseException:
        await sandbox.close()
        raise


async def _pid(ground: Ground, container: str) -> int:
    async with typed("the container cannot be examined", "boot_failed"):
        return int((await ground.engine.inspect(container))["Pid"])


async def _remove(ground: Ground, container: str) -> None:
    with suppress(SandboxError):  # whoever compares finds it
        async with typed("the container cannot be removed", "not_removed", _REMOVAL_SECONDS):
            await ground.engine.remove(container)


def _url(listener: socket.socket | None) -> str | None:
    return f"http://127.0.0.1:{netns.PORT}" if listener is not None else None
