from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from greenroom.cli.app import app
from greenroom.specs import registry
from greenroom.specs.agents import BASH, BUILT_IN
from greenroom.specs.registry import register_agent


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Leave the registry as it was."""
    yield
    registry._registered.clear()


def test_every_agent_is_listed_with_what_is_known_of_it() -> None:
    """Whether it was proved, its version and its dialect are told of each, for people and for programs."""
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["agents", "--json"]).stdout)}
    for spec in BUILT_IN:
        row = rows[spec.name]
        assert (row["proof"], row["version"], row["dialect"]) == (spec.proof, spec.version, spec.dialect)
    assert {row["proof"] for row in rows.values()} == {"proved", "known"}
    assert "PROOF" in CliRunner().invoke(app, ["agents"]).stdout


def test_an_agent_of_somebody_elses_is_untested_and_says_what_it_lacks() -> None:
    """Nobody is called proved who does not say so, and a program that is missing is named."""
    register_agent(replace(BASH, name="theirs", requires=("no-such-program",), proof="untested"))
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["agents", "--json"]).stdout)}
    assert (rows["theirs"]["proof"], rows["theirs"]["status"]) == ("untested", "unavailable")
    assert "no-such-program" in rows["theirs"]["detail"]


@pytest.mark.parametrize("columns", [80, 60, 200])
def test_the_list_fits_the_terminal(columns: int) -> None:
    """No line is wider than the terminal, and who cannot be run still says why."""
    needs = tuple(f"no-such-program-{number}" for number in range(3))
    register_agent(replace(BASH, name="an-agent-with-quite-a-long-name", requires=needs, summary="it " * 40))
    text = CliRunner().invoke(app, ["agents"], env={"COLUMNS": str(columns)}).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert all(name in "".join(text.split()) for name in needs)


def test_a_wide_terminal_shows_every_detail() -> None:
    """Where there is room, each agent says how it stands with its installation."""
    text = CliRunner().invoke(app, ["agents"], env={"COLUMNS": "300"}).stdout
    assert any(line.endswith("first used") or "installed in" in line for line in text.splitlines())
