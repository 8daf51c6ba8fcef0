"""Scenes in containers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
from docker import DockerClient

from greenroom.specs import Docker
from tests.engine.test_docker import Assassin, kill
from tests.world.blame.case import Ground
from tests.world.blame.real import Real
from tests.world.blame.scene import Scene

_OWNED = {"label": "greenroom.owner"}


class Engine(Real):
    """A Docker engine. Containers that are to die in their boots are killed as soon as they start."""

    name: Ground = "docker"

    def __init__(self, spec: Docker, client: DockerClient) -> None:
        self.spec = spec
        self.client = client

    def sandbox_spec(self, scene: Scene) -> Docker:
        """Small containers."""
        if scene.case.of == "sandbox" and scene.case.phase == "boot":
            scene.disks.enter_context(self._assassin(scene))
        return self.spec

    async def kill(self, scene: Scene) -> None:
        """As ``docker kill``. Boots have their assassin."""
        if scene.case.phase != "boot":
            await self.do(scene, kill)

    async def do(self, scene: Scene, deed: Callable[[Any], object]) -> None:
        """Do something to the container that was made last, as somebody does at the engine's own command line."""
        *_, sandbox = filter(None, scene.stage.leases.values())
        container = self.client.containers.get(sandbox.container)  # type: ignore[attr-defined]
        await anyio.to_thread.run_sync(deed, container)

    @contextmanager
    def _assassin(self, scene: Scene) -> Generator[None]:
        with Assassin(self.client, "start", kill, times=len(scene.doomed)):
            yield
