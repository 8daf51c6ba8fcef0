"""A real Docker engine for tests: the one that is given, or the one that is found.

Whoever uses one of these fixtures needs Docker, which `needs` knows: without an engine the test is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from greenroom.specs import Docker

if TYPE_CHECKING:
    from docker import DockerClient


@pytest.fixture(scope="session")
def docker_url() -> str:
    """Address of the engine; ``GREENROOM_TEST_DOCKER_HOST`` names one that is there for the tests alone."""
    from greenroom.sandboxes.docker.address import find_engine

    return find_engine(os.environ.get("GREENROOM_TEST_DOCKER_HOST")).url


@pytest.fixture(scope="session")
def docker_image(docker_url: str) -> str:
    """An image with a shell and a Python, made of this machine's own files."""
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.cold import cold_client
    from tests.sandboxes.docker import tree

    with closing(cold_client(find_engine(docker_url))) as client:
        return tree.image(client)


@pytest.fixture
def docker_host(docker_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have everything in the test find that engine."""
    monkeypatch.setenv("DOCKER_HOST", docker_url)
    return docker_url


@pytest.fixture
def docker_spec(docker_image: str, docker_host: str) -> Docker:
    """Small containers."""
    return Docker(image=docker_image, memory="256m", cpus=1.0, pids=128)


@pytest.fixture
def docker_client(docker_host: str) -> Iterator[DockerClient]:
    """A look at the engine from outside."""
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.cold import cold_client

    with closing(cold_client(find_engine(docker_host))) as found:
        yield found
