from __future__ import annotations

from contextlib import closing

import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import install
from greenroom.specs import AgentSpec
from greenroom.specs.agents import PI
from tests.agents.proving import PROVED


@pytest.fixture(params=PROVED, ids=lambda spec: spec.name)
async def spec(request: pytest.FixtureRequest) -> AgentSpec:
    """Each agent that is called proved, installed on this machine."""
    found: AgentSpec = request.param
    await prefix_of(found)
    return found


@pytest.fixture
async def prefix(spec: AgentSpec) -> str:
    """Where that agent is installed."""
    return await prefix_of(spec)


@pytest.fixture
async def pi_prefix() -> str:
    """Where pi is installed."""
    return await prefix_of(PI)


@pytest.fixture(scope="session")
def agent_image(docker_url: str) -> str:
    """A Docker image in which real agents run."""
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.cold import cold_client
    from tests.agents.image import image

    with closing(cold_client(find_engine(docker_url))) as client:
        return image(client)


async def prefix_of(spec: AgentSpec) -> str:
    """Install an agent. A registry that lacks it proves nothing about it: a skip by name, which CI counts."""
    if spec.recipe is None:
        return ""
    try:
        return (await install(spec.recipe, check=spec.check)).path
    except InstallError as error:
        pytest.skip(f"agent {spec.name} cannot be installed: {error}")
