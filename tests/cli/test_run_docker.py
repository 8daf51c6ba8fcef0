"""`greenroom run` in containers, on a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from greenroom.specs import Docker
from tests.cli.process import greenroom

pytestmark = [pytest.mark.real_time, pytest.mark.containers]


def test_tasks_are_run_in_containers(place: Path, docker_spec: Docker, docker_client: DockerClient) -> None:
    """An image is all that has to be said; outcomes are as they are everywhere, and no container stays."""
    sandbox = ("--sandbox", "docker:memory=256m,pids=64", "--image", docker_spec.image)
    with greenroom("run", "tasks.toml", *sandbox, "--model", "scripted:model.toml", "--json") as run:
        status, records, said = run.rest()
    assert status == 0, said
    rewards = {record["task_id"]: record["reward"] for record in records if record["type"] == "outcome"}
    assert rewards == {"solved": 1.0, "failed": 0.0}
    assert docker_client.containers.list(all=True, filters={"label": "greenroom.owner"}) == []


def test_an_image_that_is_not_there(place: Path, docker_host: str) -> None:
    """A missing image is said before the first rollout."""
    sandbox = ("--sandbox", "docker:pull=never", "--image", "no-such-image:ever")
    with greenroom("run", "tasks.toml", *sandbox, "--model", "scripted:model.toml", "--json") as run:
        status, _, said = run.rest()
    assert status == 1
    assert "no-such-image:ever" in said
