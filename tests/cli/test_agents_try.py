from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from greenroom.cli.app import app
from tests.cli.process import SECONDS, greenroom

pytestmark = pytest.mark.real_time

SPECS = """
print("the author's own words")
from msgspec.structs import replace
from greenroom.specs.agents import BASH
from neighbour import NAME

works = replace(BASH, name=NAME)
lacks = replace(BASH, name="lacks", requires=("no-such-program",))
"""


@pytest.fixture
def written(place: Path) -> Path:
    """A file with agents, and a module beside it."""
    (place / "specs.py").write_text(SPECS)
    (place / "neighbour.py").write_text('NAME = "my-agent"\n')
    return place


def test_an_agent_of_a_file_is_tried(written: Path) -> None:
    """A spec that lies in a file is tried without being registered, and leaves nothing beside it."""
    before = set(written.rglob("*"))
    with greenroom("agents", "try", "specs.py:works") as trying:
        out, err = trying.process.communicate(timeout=SECONDS)
    assert (trying.process.returncode, "my-agent works" in out) == (0, True), err
    assert "the author's own words" in err
    assert "ok     instruction  byte for byte" in out
    assert {path for path in written.rglob("*") if path.is_file()} <= before


def test_machines_get_every_step(written: Path) -> None:
    """With --json there is one object; what fails makes status 1, with step, reason and remedy."""
    with greenroom("agents", "try", "specs.py:lacks", "--json", "--timeout", "30") as trying:
        status, (found,), _ = trying.rest()
    assert (status, found["good"], found["agent"]) == (1, False, "lacks")
    (failed,) = [step for step in found["steps"] if step["state"] == "failed"]
    assert (failed["name"], "no-such-program" in failed["detail"], bool(failed["remedy"])) == ("requires", True, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name", ["ModuleNotFoundError", "broken.py:1"]),
        ("x = (", ["SyntaxError", "broken.py:1"]),
        ("import sys\nsys.exit(3)", ["SystemExit", "broken.py:2", "sys.exit(3)"]),
        ("def f():\n    return 1 / 0\nf()", ["ZeroDivisionError", "broken.py:2", "return 1 / 0"]),
    ],
)
def test_a_file_that_does_not_run_says_where(place: Path, text: str, said: list[str]) -> None:
    """The last line of the author's own traceback, with file and line."""
    (place / "broken.py").write_text(text)
    result = CliRunner().invoke(app, ["agents", "try", "broken.py:x", "--json"])
    assert result.exit_code == 1
    (step,) = json.loads(result.stdout)["steps"]
    assert (step["name"], step["state"]) == ("spec", "failed")
    assert [words for words in said if words not in step["detail"]] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], ["unknown agent 'nobody'", "FILE.py:NAME"]),
        (["nowhere.py:x"], ["nowhere.py: no such file"]),
        (["specs.toml:x"], ["specs.toml:x", "written in Python"]),
        (["specs.py:wroks"], ["there is no wroks", "works, lacks"]),
        (["specs.py:NAME"], ["NAME is str, not an AgentSpec"]),
        (["specs.py"], ["say which agent", "works, lacks"]),
        (["oracle"], ["oracle", "nothing to try"]),
        (["bash", "--sandbox", "simulated"], ["--sandbox simulated", "local or docker"]),
        (["bash", "--sandbox", "docker:image=x"], ["--sandbox docker", "no-docker.sock"]),
        (["bash", "--timeout", "0"], ["--timeout"]),
    ],
)
def test_who_cannot_be_tried_is_bad_input(
    written: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: list[str]
) -> None:
    """Status 2, the argument named, and what is allowed."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{written}/no-docker.sock")
    result = CliRunner().invoke(app, ["agents", "try", *arguments])
    assert result.exit_code == 2, result.output
    text = " ".join(result.stderr.split())
    assert [words for words in said if words not in text] == [], text
