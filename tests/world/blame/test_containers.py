"""Whatever fails around a real agent in a container, its outcome is what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from greenroom.specs import Docker
from tests.world.blame.case import Case, Often
from tests.world.blame.containers import Engine
from tests.world.blame.judge import check
from tests.world.blame.scene import Scene
from tests.world.blame.seeds import SEED
from tests.world.blame.ways.table import on

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.mark.parametrize(("case", "often"), on("docker"))
async def test_blame(
    case: Case,
    often: Often,
    docker_spec: Docker,
    docker_client: DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status, blame, validity and attempts are those of the page, at a random moment."""
    place = Engine(docker_spec, docker_client)
    check(await Scene(case, place, often, SEED, tmp_path, monkeypatch).play(), case, often)
