"""The commands about containers, on a real engine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from docker import DockerClient
from docker.models.containers import Container

from greenroom.cli.app import app
from greenroom.sandboxes.docker.owner import OWNER, PROCESS, this_process
from greenroom.specs import Docker
from tests.sandboxes.docker.conftest import a_request

pytestmark = [pytest.mark.real_time, pytest.mark.containers]


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def start(client: DockerClient, image: str, labels: dict[str, str]) -> Container:
    """A container that does nothing."""
    return client.containers.run(image, ["sleep", "600"], detach=True, labels=labels, network_mode="none")


def test_what_was_left_is_listed_and_removed(docker_spec: Docker, docker_client: DockerClient) -> None:
    """A container whose engine is gone is told from one that is kept; only the first is removed."""
    us = this_process("night-run")
    labels = us.labels(a_request("kept")), {**us.labels(a_request("left")), OWNER: "x", PROCESS: "4194303:1"}
    kept, left = (start(docker_client, docker_spec.image, found) for found in labels)
    try:
        rows = {row["sandbox"]: row for row in msgspec.json.decode(run("sandboxes", "--json")[1])}
        assert (rows["kept"]["abandoned"], rows["left"]["abandoned"]) == ("", "its engine is gone")
        assert "night-run" in run("sandboxes")[1]
        assert str(left.name) in run("reap")[1]
        there = [found.id for found in docker_client.containers.list(all=True)]
        assert kept.id in there
        assert left.id not in there
    finally:
        kept.remove(force=True)


def test_an_image_is_built_with_an_agent_once(docker_spec: Docker) -> None:
    """The image is named on standard output, and the second time it is there already."""
    first = CliRunner().invoke(app, ["image", "build", "--agent", "bash", "--image", docker_spec.image])
    second = CliRunner().invoke(app, ["image", "build", "--agent", "bash", "--image", docker_spec.image])
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == second.stdout
    assert first.stdout.startswith("greenroom-ready:")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--agent", "nobody", "--image", "x"], 2, "nobody"),
        (["--agent", "bash"], 2, "--image"),
        (["--agent", "bash", "--dockerfile", "/no/such/file"], 1, "no Dockerfile"),
    ],
)
def test_what_cannot_be_built_is_said(docker_host: str, arguments: list[str], status: int, said: str) -> None:
    """Mistakes are named, with the exit status for their kind."""
    found, text = run("image", "build", *arguments)
    assert (found, said in text) == (status, True), text


def test_without_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine is a failure that says where it was looked for."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    for command in ("sandboxes", "reap"):
        status, text = run(command)
        assert (status, str(tmp_path) in text) == (1, True)
