from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from greenroom.cli import checks
from greenroom.cli.app import app
from greenroom.specs import AgentSpec, Invocation, Launch, NpmRecipe
from greenroom.specs.registry import register_agent, unregister_agent

pytestmark = pytest.mark.real_time


def look(*arguments: str) -> tuple[int, str]:
    """Exit status and standard output."""
    result = CliRunner().invoke(app, ["doctor", *arguments])
    return result.exit_code, result.stdout


def finding(output: str, name: str) -> dict[str, str]:
    """One finding of the JSON form."""
    findings = msgspec.json.decode(output)["findings"]
    return next(found for found in findings if found["name"] == name)


@pytest.mark.needs("bwrap")
def test_a_machine_that_can_run_the_default_is_said_to(place: Path) -> None:
    """A sandbox was really made, and the exit status says that the bash agent can run in it."""
    status, output = look("--json")
    assert finding(output, "local sandbox")["state"] == "ok"
    assert finding(output, "agent bash")["state"] == "ok"
    assert (status, msgspec.json.decode(output)["able"]) == (0, True)


def test_without_bubblewrap_it_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named with the command that helps, and the exit status is 1."""
    monkeypatch.setenv("PATH", str(place))
    status, output = look()
    assert status == 1
    assert "MISSING   bubblewrap" in output
    assert "bubblewrap: apt-get install bubblewrap" in output
    assert "CANNOT run" in output


def installed(place: Path, monkeypatch: pytest.MonkeyPatch, *requirements: str) -> None:
    """As if greenroom had been installed with these extras."""
    directory = place / "greenroom-0.1.0.dist-info"
    directory.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: greenroom", "Version: 0.1.0"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (directory / "METADATA").write_text("\n".join(lines))
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])


@pytest.mark.needs("bwrap")
def test_what_is_optional_does_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is said with the libraries it lacks, by their own names, and does not change the exit status."""
    installed(
        place,
        monkeypatch,
        "anyio>=4.16",
        "click>=8.2; extra == 'nets'",
        "no-such-net>=2.1; extra == 'nets'",
        'no_such.web[fast]<4,>=3.0 ; extra == "nets"',
        "click>=8.2; extra == 'cli'",
    )
    status, output = look()
    assert status == 0
    assert "extra nets: pip install 'no-such-net>=2.1' 'no_such.web[fast]<4,>=3.0'" in output
    _, output = look("--json")
    assert finding(output, "extra nets")["detail"] == "not found: no-such-net, no_such.web"
    assert finding(output, "extra cli")["state"] == "ok"
    assert "extra anyio" not in output


@contextmanager
def docker(path: Path, answer: bytes) -> Generator[None]:
    """Something that answers where the Docker engine should."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        yield
        server.join()


def test_a_docker_engine_that_answers_is_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOCKER_HOST is asked, and what answers is named."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/d.sock")
    with docker(place / "d.sock", b"HTTP/1.1 200 OK\r\nServer: Docker/28\r\nContent-Length: 2\r\n\r\nOK"):
        found = checks._docker()
    assert (found.state, found.detail) == ("ok", f"Docker/28 at unix://{place}/d.sock")


@pytest.mark.parametrize("address", ["unix:///nowhere/d.sock", "tcp://127.0.0.1:1", "ssh://host", "tcp://"])
def test_a_docker_engine_that_does_not_answer_is_optional(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Whatever DOCKER_HOST says, the finding names it and nothing breaks."""
    monkeypatch.setenv("DOCKER_HOST", address)
    found = checks._docker()
    assert found.state == "optional"
    assert address in found.detail


def test_something_else_in_dockers_place_is_optional(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not speak HTTP is no Docker engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/d.sock")
    with docker(place / "d.sock", b"220 hello\r\n"):
        assert checks._docker().state == "optional"


def _command(launch: Launch) -> Invocation:
    return Invocation(argv=("x",))


@pytest.fixture
def installable() -> Iterator[None]:
    """An agent that is not installed."""
    register_agent(
        AgentSpec(name="not-there", dialect="chat", command=_command, recipe=NpmRecipe(packages=("not-there@1.0.0",)))
    )
    yield
    unregister_agent("not-there")


def test_agents_are_listed_with_their_state(place: Path, installable: None) -> None:
    """An agent without a recipe is ready, one with a recipe says whether it is installed."""
    result = CliRunner().invoke(app, ["agents", "--json"])
    rows = {row["name"]: row for row in msgspec.json.decode(result.stdout)}
    assert rows["bash"]["status"] == "ready"
    assert rows["not-there"]["status"] in {"installable", "unavailable"}
    assert "not-there" in CliRunner().invoke(app, ["agents"]).stdout
