"""Backends and sandboxes on a real engine, of which nothing is left afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from docker import DockerClient

from greenroom.sandboxes import SandboxRequest
from greenroom.sandboxes.docker import DockerBackend, open_docker
from greenroom.sandboxes.docker.owner import OWNER
from greenroom.sandboxes.docker.sandbox import DockerSandbox
from greenroom.specs import Docker


@pytest.fixture
def spec(docker_spec: Docker) -> Docker:
    """Small containers."""
    return docker_spec


@pytest.fixture
def client(docker_client: DockerClient) -> DockerClient:
    """A look at the engine from outside."""
    return docker_client


@pytest.fixture
def left(client: DockerClient) -> Callable[[DockerBackend], list[str]]:
    """Names of the containers of a backend, stopped ones too."""

    def find(backend: DockerBackend) -> list[str]:
        label = f"{OWNER}={backend.owner.id}"
        return [str(found.name) for found in client.containers.list(all=True, filters={"label": label})]

    return find


@pytest.fixture
async def backend(spec: Docker, left: Callable[[DockerBackend], list[str]]) -> AsyncIterator[DockerBackend]:
    """An open backend, of which nothing is left afterwards."""
    async with await open_docker(spec) as found:
        yield found
    assert left(found) == []


@pytest.fixture
async def sandbox(backend: DockerBackend) -> DockerSandbox:
    """A sandbox that just booted; the backend ends it."""
    return await backend.create(a_request())


def a_request(id: str = "sandbox", seconds: float = 60.0) -> SandboxRequest:
    """What an attempt asks for."""
    return SandboxRequest(id=id, rollout_id=f"rollout-{id}", seconds=seconds)
