from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.cli.process import SECONDS, Greenroom, environment, greenroom

pytestmark = [pytest.mark.real_time, pytest.mark.long]


@pytest.fixture
def engine(place: Path) -> Iterator[Greenroom]:
    """An engine in which one rollout has ended and one hangs."""
    command = ("run", "stuck.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with greenroom(*command, "--json", "--out", "first") as run:
        assert [run.record()["type"] for _ in range(2)] == ["start", "outcome"]
        yield run


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    command = [sys.executable, "-m", "greenroom", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS, env=environment())


def answer(*arguments: str) -> str:
    """What a command prints that succeeds."""
    done = ask(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_ps_lists_the_actors(engine: Greenroom) -> None:
    """Every actor of the running engine has a line."""
    lines = answer("ps").splitlines()
    assert lines[0].split() == ["PATH", "KIND", "STATE", "MAIL", "HANDLED", "RESTARTS", "AGE", "DOING"]
    assert {"/engine/journal", "/engine/console", "/engine/rollouts/r-000002/attempt-1/agent"} <= {
        line.split()[0] for line in lines if line
    }


def test_ps_sorts(engine: Greenroom) -> None:
    """The actor that has handled most comes first when that is asked for."""
    rows = msgspec.json.decode(answer("ps", "--sort", "handled", "--json"))
    handled = [row["handled"] for row in rows]
    assert handled == sorted(handled, reverse=True)
    assert handled[0] > 0


def test_tree_shows_a_branch(engine: Greenroom) -> None:
    """A path limits the tree, with or without its first slash, and the actors hang under their supervisors."""
    lines = answer("tree", "engine/rollouts").splitlines()
    assert [line.split()[0:2] for line in lines[1:4]] == [
        ["/engine/rollouts", "Rollouts"],
        ["└─", "r-000002"],
        ["└─", "attempt-1"],
    ]


def test_inspect_shows_an_actor(engine: Greenroom) -> None:
    """State, children and stack of one actor."""
    found = msgspec.json.decode(answer("inspect", "/engine/rollouts", "--json"))
    assert found["children"] == ["/engine/rollouts/r-000002"]
    assert "children  /engine/rollouts/r-000002" in answer("inspect", "/engine/rollouts")


def test_an_unknown_actor_is_named(engine: Greenroom) -> None:
    """Asking for nobody is answered with the path, and exit status 1."""
    done = ask("inspect", "/engine/nobody")
    assert (done.returncode, done.stderr) == (1, "Error: there is no actor '/engine/nobody'\n")


def test_events_end_with_the_engine(engine: Greenroom) -> None:
    """Whoever follows the events sees the end of the engine, and then ends too."""
    with greenroom("events", "--json") as listener:
        assert listener.said() == "Listening; Ctrl-C ends it.\n"
        engine.process.terminate()
        status, events, _ = listener.rest()
    assert status == 0
    assert {"kind": "stopped", "path": "/engine/rollouts/r-000002"}.items() <= min(
        (event for event in events if event["path"] == "/engine/rollouts/r-000002"), key=lambda event: event["at"]
    ).items()


def test_one_of_several_engines_is_chosen(engine: Greenroom) -> None:
    """With two engines the choice is asked for, by name or process; an unknown one is refused with those there are."""
    command = ("run", "stuck.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with greenroom(*command, "--json", "--out", "second") as other:
        assert [other.record()["type"] for _ in range(2)] == ["start", "outcome"]
        refused = ask("ps")
        assert refused.returncode == 2
        assert f"first ({engine.process.pid})" in refused.stderr
        assert f"second ({other.process.pid})" in refused.stderr
        assert answer("tree", "--engine", "second") != ""
        assert answer("tree", "--engine", str(engine.process.pid)) != ""
        unknown = ask("ps", "--engine", "third")
        assert unknown.returncode == 2
        assert "--engine third" in unknown.stderr


@pytest.mark.parametrize("arguments", [["ps"], ["tree", "--json"], ["inspect", "/"], ["events"], ["set", "load=1"]])
def test_without_an_engine_it_is_said_plainly(place: Path, arguments: list[str]) -> None:
    """No engine: one line and exit status 1."""
    done = ask(*arguments)
    assert done.returncode == 1
    assert done.stderr == "Error: no engine is running; `greenroom run` starts one\n"


def test_a_killed_engine_is_not_listed(engine: Greenroom) -> None:
    """The socket that a killed engine left is found dead and removed."""
    engine.process.kill()
    engine.process.wait(SECONDS)
    assert ask("ps").returncode == 1
    assert list(Path("greenroom").iterdir()) == []
