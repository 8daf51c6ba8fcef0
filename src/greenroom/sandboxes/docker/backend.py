"""Makes sandboxes on one Docker engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

import anyio
import structlog

from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.docker import configuration
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.admission import Admission
from greenroom.sandboxes.docker.boot import Plan, boot
from greenroom.sandboxes.docker.client import Engine, typed
from greenroom.sandboxes.docker.events import Events
from greenroom.sandboxes.docker.guard import Guard
from greenroom.sandboxes.docker.images import Images, Wish
from greenroom.sandboxes.docker.keeper import HEARTBEAT_SECONDS
from greenroom.sandboxes.docker.owner import OWNER, Owner, this_process
from greenroom.sandboxes.docker.sandbox import DockerSandbox
from greenroom.sandboxes.docker.sweep import remove, sweep
from greenroom.specs import Docker

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_OPEN_SECONDS = 30.0
_REMOVAL_SECONDS = 20.0
_SWEEP_SECONDS = 120.0

_log = structlog.get_logger(__name__)


T = TypeVar("T")


class DockerBackend:
    """Sandboxes on one Docker engine. Open one with `open_docker`. asyncio only."""

    kind = "docker"

    def __init__(self, spec: Docker, engine: Engine, owner: Owner, images: Images) -> None:
        self.spec = spec
        self.engine = engine
        self.owner = owner
        self.images = images
        self.events = Events(engine, owner.id, self.suspect)
        self.admission = Admission()
        self.live: dict[str, DockerSandbox] = {}
        """By container id."""
        self._ids: set[str] = set()
        """Sandboxes that are being made, or live."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._guard = Guard(engine.address, owner.id)
        self._reader = asyncio.create_task(self.events.read(), name="greenroom docker events")
        self._pulse = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def create(self, request: SandboxRequest) -> DockerSandbox:
        """Make one. Raises `SandboxError`.

        Cancelled, it leaves nothing that the backend does not see to: an engine cannot be stopped half-way.
        """
        self._check(request)
        self._ids.add(request.id)
        try:
            spec = configuration.fitted(self.spec, request)
            directories = request.environment.directories if request.environment else ()
            image = await self.images.ready(Wish.of(spec, request.prefix, directories))
            await self.events.connected.wait()
            await self.admission.turn()
        except BaseException:
            self._ids.discard(request.id)
            raise
        plan = Plan(
            request=request, spec=spec, image=image, name=self.handle(request.id), labels=self.owner.labels(request)
        )
        making = self.own(self._boot(plan))
        try:
            sandbox = await asyncio.shield(making)
        except asyncio.CancelledError:
            self.tend(_discard(making))
            raise
        return sandbox

    async def close(self) -> None:
        """End all sandboxes, those that are booting included. Goes on by itself if the caller is cancelled."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="greenroom docker close")
        await asyncio.shield(self._closing)

    def own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that outlives whoever began it, and is waited for by `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._owned_done)
        return task

    def tend(self, work: Coroutine[Any, Any, object]) -> None:
        """The same, for what nobody waits for."""
        self.own(work).set_name("greenroom docker")

    def forget(self, sandbox: DockerSandbox) -> None:
        """Nothing of this sandbox is left."""
        self.live.pop(sandbox.container, None)
        self.events.containers.pop(sandbox.container, None)
        self._ids.discard(sandbox.id)

    def _owned_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("docker_task_failed", error=str(error))  # whoever waits for it has it, too

    def _check(self, request: SandboxRequest) -> None:
        if self._closing is not None:
            raise SandboxError("backend_closed", "the backend was closed")
        if not _NAME.fullmatch(request.id):
            raise SandboxError("bad_request", f"not a sandbox id: {request.id!r}")
        if request.id in self._ids:
            raise SandboxError("bad_request", f"sandbox {request.id} exists already")

    # How one is made.

    async def _boot(self, plan: Plan) -> DockerSandbox:
        began = anyio.current_time()
        seconds: float | None = None
        try:
            sandbox = await boot(self, plan)
            seconds = anyio.current_time() - began
            self.live[sandbox.container] = sandbox
        except BaseException as error:
            self._ids.discard(plan.request.id)
            if isinstance(error, SandboxError) and error.kind == "image_missing":
                self.images.forget(plan.image)
            raise
        finally:
            self.admission.done(seconds)
        return sandbox

    def handle(self, id: str) -> str:
        """Name of the container of this sandbox."""
        return f"greenroom-{self.owner.id[:8]}-{id}"

    # What happens all the time.

    def _beat(self) -> None:
        self._pulse = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)
        for sandbox in self.live.values():
            sandbox.beat()

    def suspect(self) -> None:
        """Something may have been missed, or made without our knowledge: compare, as soon as may be."""
        if self._closing is None:
            self.tend(self._compare())

    async def _compare(self) -> None:
        """Compare what is known with what is there: after that, nothing that was missed matters."""
        async with typed("containers cannot be listed", "daemon_lost"):
            there = {entry["Id"]: entry for entry in await self.engine.containers(f"{OWNER}={self.owner.id}")}
        for container, sandbox in list(self.live.items()):
            if there.get(container, {}).get("State") != "running":
                with suppress(SandboxError):
                    await sandbox.alive()
        for exec_id in list(self.events.exits):
            await self.events.ask(exec_id)
        for container, entry in there.items():
            if container not in self.events.containers and self._stray(entry):
                await self._remove_stray(container)

    async def _remove_stray(self, container: str) -> None:
        async with typed("the container cannot be removed", "not_removed", _REMOVAL_SECONDS):
            await self.engine.remove(container)

    def _stray(self, entry: dict[str, Any]) -> bool:
        return entry["Labels"].get("greenroom.sandbox", "") not in self._ids

    # How it ends.

    async def _close(self) -> None:
        clean = False
        try:
            await self._end_all()
            clean = await self._nothing_left()
        finally:
            self._pulse.cancel()
            self._reader.cancel()
            await asyncio.wait({self._reader})
            await self._guard.dismiss(clean=clean)
            await self.engine.close()
            await self.images.close()

    async def _end_all(self) -> None:
        while self._tasks or self.live:
            for sandbox in list(self.live.values()):
                self.tend(_close_quietly(sandbox))
            if self._tasks:
                await asyncio.wait(set(self._tasks))

    async def _nothing_left(self) -> bool:
        try:
            async with typed("containers cannot be listed", "daemon_lost", _REMOVAL_SECONDS):
                left = await self.engine.containers(f"{OWNER}={self.owner.id}")
                await remove(self.engine, [entry["Id"] for entry in left])
        except SandboxError as error:
            _log.warning("docker_not_clean", error=str(error), detail=error.detail)
            return False
        return True


async def open_docker(
    spec: Docker, *, run: str = "", epoch: int = 0, progress: Callable[[str], None] | None = None
) -> DockerBackend:
    """Open the backend: find the engine and the image, and remove what engines that are no more have left.

    Args:
        spec: What the user asks for.
        run: Name of the run, written on every container.
        epoch: Which start of the run this is.
        progress: Told in lines of text what is done to the image.

    Raises:
        SandboxError: There is no engine, or it cannot serve the spec.
    """
    engine = Engine(find_engine())
    owner = this_process(run, epoch)
    images = Images(engine.address, owner, pull=spec.pull == "missing", progress=progress)
    try:
        async with typed("Docker cannot be used", "docker_unavailable", _OPEN_SECONDS):
            await engine.version()
        await _sweep(engine, owner)
        if spec.image or spec.dockerfile:
            await images.ready(Wish.of(spec))
        backend = DockerBackend(spec, engine, owner, images)
    except BaseException:
        await images.close()
        await engine.close()
        raise
    try:
        with anyio.fail_after(_OPEN_SECONDS):
            await backend.events.connected.wait()
    except TimeoutError:
        await backend.close()
        raise SandboxError("docker_unavailable", "the Docker engine does not say what happens") from None
    except BaseException:
        await backend.close()
        raise
    if spec.weaknesses:
        _log.warning("sandbox_unsafe", because=list(spec.weaknesses))
    return backend


async def _sweep(engine: Engine, owner: Owner) -> None:
    """Remove what others have left. What cannot be removed now stays for the next who opens a backend."""
    try:
        async with typed("containers that were left behind cannot be removed", "not_removed", _SWEEP_SECONDS):
            swept = await sweep(engine, owner)
    except SandboxError as error:
        _log.warning("docker_not_swept", error=str(error), detail=error.detail)
    else:
        if swept:
            _log.info("docker_swept", containers=len(swept))


async def _discard(boot: asyncio.Task[DockerSandbox]) -> None:
    await asyncio.wait({boot})
    if not boot.cancelled() and boot.exception() is None:
        await _close_quietly(boot.result())


async def _close_quietly(sandbox: DockerSandbox) -> None:
    try:
        await sandbox.close()
    except SandboxError as error:
        _log.warning("sandbox_not_closed", sandbox=sandbox.id, error=str(error), detail=error.detail)
