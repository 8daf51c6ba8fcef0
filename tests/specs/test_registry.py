from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.specs import AgentSpec, Invocation, Launch, McpServer, NpmRecipe, PythonRecipe, registry
from greenroom.specs.agents import BASH, PI
from greenroom.specs.registry import agent_names, agent_spec, register_agent, unregister_agent


def command(launch: Launch) -> Invocation:
    """Build what is in order."""
    return Invocation(argv=("my-agent",), stdin=launch.instruction)


SHIPPED = sorted(registry._built_in())
SERIAL = itertools.count()
SERVER = McpServer(name="a", command=("a",))
SPEC = AgentSpec(name="my-agent", dialect="chat", command=command)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Leave the registry as it was."""
    yield
    registry._registered.clear()


def test_what_ships_is_known() -> None:
    """The agents that ship are there without registration, sorted."""
    assert agent_names() == SHIPPED
    assert (agent_spec("bash"), agent_spec("pi")) == (BASH, PI)


def test_a_registered_agent_is_found_by_either_spelling() -> None:
    """`-` and `_` are the same in names."""
    register_agent(SPEC)
    assert agent_spec("my_agent") is agent_spec("my-agent") is SPEC
    assert agent_names() == sorted([*SHIPPED, "my-agent"])


def test_the_same_object_again_changes_nothing() -> None:
    """Registration is idempotent."""
    register_agent(SPEC)
    register_agent(SPEC)
    register_agent(PI)
    assert agent_spec("my-agent") is SPEC


@pytest.mark.parametrize("spec", [replace(SPEC, summary="other"), replace(PI), replace(SPEC, name="my_agent")])
def test_a_name_cannot_be_taken_twice(spec: AgentSpec) -> None:
    """A second agent of a known name, shipped ones included, is refused by name, and the first one stays."""
    register_agent(SPEC)
    with pytest.raises(ValueError, match=f"agent '{spec.name}': name: .* choose another name"):
        register_agent(spec)
    assert (agent_spec("my-agent"), agent_spec("pi")) == (SPEC, PI)


def test_an_unregistered_agent_is_gone() -> None:
    """After unregistering, the name is free again; what was never registered cannot be unregistered."""
    register_agent(SPEC)
    unregister_agent("my_agent")
    assert "my-agent" not in agent_names()
    for name in ("my-agent", "pi"):
        with pytest.raises(ValueError, match=f"agent '{name}' was not registered; registered are: none"):
            unregister_agent(name)


def test_an_unknown_agent_is_answered_with_the_known_ones() -> None:
    """The error names what was asked for and lists what there is."""
    with pytest.raises(ValueError, match=f"unknown agent 'nope'; known are: {', '.join(SHIPPED)}"):
        agent_spec("nope")


def leaky(launch: Launch) -> Invocation:
    """Put the key where everybody sees it."""
    return Invocation(argv=("x", f"--key={launch.api_key}"))


def broken(launch: Launch) -> Invocation:
    """Build nothing."""
    raise LookupError(launch.model)


def shelled(launch: Launch) -> Invocation:
    """Let a shell read the instruction."""
    return Invocation(argv=("/bin/sh", "-c", f"agent '{launch.instruction}'"))


def impure(_launch: Launch) -> Invocation:
    """Build something else each time."""
    return Invocation(argv=("x", str(next(SERIAL))))


def builds(result: object) -> Callable[[Launch], object]:
    """Make a builder that always gives ``result``."""
    return lambda _launch: result


NUMBERS: Any = {"A": 1}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"name": "My Agent"}, "name: use lower-case"),
    ({"name": 7}, "name: use lower-case"),
    ({"dialect": "smalltalk"}, "dialect: 'smalltalk' is not one of chat, responses, anthropic, google"),
    ({"check": "true"}, "check: must be a tuple"),
    ({"recipe": "npm i x"}, "recipe: is str; use NpmRecipe"),
    ({"recipe": NpmRecipe(packages=())}, "recipe: packages must be a tuple with at least one"),
    ({"recipe": NpmRecipe(packages=("x@latest",))}, "recipe: package 'x@latest' is not pinned"),
    ({"recipe": NpmRecipe(packages=("@a/x@^1.2.3",))}, "recipe: package '@a/x@^1.2.3' is not pinned"),
    ({"recipe": NpmRecipe(packages=("x@1.2.3",), node="24")}, "recipe: node '24' is not an exact version"),
    ({"recipe": PythonRecipe(packages=("x>=1",))}, "recipe: package 'x>=1' is not pinned"),
    ({"recipe": PythonRecipe(packages=("x==1.*",))}, "recipe: package 'x==1.*' is not pinned"),
    ({"command": ("x",)}, "command: must be a function"),
    ({"command": leaky}, "command: puts the API key in argv"),
    ({"command": broken}, "command: fails on an ordinary Launch: LookupError"),
    ({"command": sys.exit}, "command: fails on an ordinary Launch: SystemExit"),
    ({"command": impure}, "command: gave two different results"),
    ({"version": 7}, "version: must be a string"),
    ({"version": "9.9.9", "recipe": NpmRecipe(packages=("x@1.2.3",))}, "version: '9.9.9' is not what the recipe"),
    ({"requires": ("/usr/bin/git",)}, "requires: must be a tuple of programs' names"),
    ({"delivery": "carrier pigeon"}, "delivery: 'carrier pigeon' is not one of stdin, file, command"),
    ({"delivery": "file"}, "command: does not use launch.instruction_file"),
    ({"delivery": "command", "command": builds(Invocation(argv=("x",)))}, "command: passes the instruction on neither"),
    ({"command": builds(Invocation(argv=("x",), stdin="y"))}, "command: sets stdin"),
    ({"delivery": "command", "command": shelled}, "command: pastes the instruction into a shell's script"),
    ({"model_format": "gpt"}, "model_format: 'gpt' does not hold '{model}'"),
    ({"env": {"A B": ""}}, "env: 'A B' cannot be the name of a variable"),
    ({"quiet": ["X"]}, "quiet: must be a dict of strings"),
    ({"files": {"/etc/../x": ""}}, "files: file '/etc/../x' leaves its directory"),
    ({"approvals": {"all": "--yes"}}, "approvals: must be a dict"),
    ({"approve": "all"}, "approve: must be a tuple"),
    ({"approve": ("al",), "approvals": {"all": ("-y",)}}, "approve: 'al' is not among its approvals; they are: all"),
    ({"mcp_servers": [SERVER]}, "mcp_servers: must be a tuple"),
    ({"mcp_servers": (SERVER,)}, "mcp_servers: this agent cannot be given any"),
    ({"mcp": True, "mcp_servers": (SERVER, SERVER)}, "mcp_servers: name 'a' must be used once"),
    ({"mcp": True, "mcp_servers": ("a",)}, "mcp_servers: holds str; write McpServer"),
    ({"mcp": True, "mcp_servers": (replace(SERVER, command=()),)}, "mcp_servers: 'a': command must be"),
    ({"mcp": True}, "command: does not hand launch.mcp_servers on"),
    ({"events": "jsonl"}, "events: must be a function"),
    ({"events": json.loads}, "events: fails on the line ''"),
    ({"events": sys.exit}, "events: fails on the line '': SystemExit"),
    ({"events": builds([])}, "events: gave [] for the line ''; return a tuple"),
    ({"artifacts": ("../x",)}, "artifacts: '../x' is not below the home directory"),
    ({"timeouts": (5,)}, "timeouts: must be a tuple of Timeout"),
    ({"proof": "sure"}, "proof: 'sure' is not one of proved, known, untested"),
    ({"command": builds("x")}, "command: returned str; return an Invocation"),
    ({"command": builds(Invocation(argv=()))}, "command: argv must be a tuple of strings"),
    ({"command": builds(Invocation(argv=("x",), env=NUMBERS))}, "command: env and files must be dicts"),
    ({"command": builds(Invocation(argv=("x",), files={"../x": ""}))}, "command: file '../x' leaves its"),
]


@pytest.mark.parametrize(("changes", "complaint"), MISTAKES, ids=[complaint for _, complaint in MISTAKES])
def test_a_mistake_is_named_at_registration(changes: dict[str, Any], complaint: str) -> None:
    """An error names the agent, the field and what to do, and nothing is registered."""
    with pytest.raises(ValueError, match="agent ") as caught:
        register_agent(replace(SPEC, **changes))
    assert complaint in str(caught.value)
    assert agent_names() == SHIPPED


@pytest.mark.parametrize(
    "recipe",
    [
        NpmRecipe(packages=("@openai/codex@0.169.0-linux-x64", "mcp@1.0.0"), node=None),
        PythonRecipe(packages=("mini-swe-agent==2.4.6", "ray[default]==2.50.0", "mine @ file:///x.whl")),
    ],
)
def test_exact_pins_are_accepted(recipe: NpmRecipe | PythonRecipe) -> None:
    """Scopes, platform suffixes, extras and local files are exact enough."""
    register_agent(replace(SPEC, recipe=recipe))
    assert agent_spec("my-agent").recipe == recipe


PACKAGE = """
from greenroom.specs import AgentSpec, Invocation
SPEC = AgentSpec(name="third-party", dialect="chat", command=lambda launch: Invocation(argv=("x",)))
NOT_A_SPEC = 7
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another distribution on the path, that announces one agent and three mistakes."""
    (tmp_path / "their_agents.py").write_text(PACKAGE)
    info = tmp_path / "their_agents-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-agents\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[greenroom.agents]\nthird_party = their_agents:SPEC\nseven = their_agents:NOT_A_SPEC\n"
        "absent = no_such_module:SPEC\nother-name = their_agents:SPEC\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "their_agents", raising=False)
    return "their_agents"


def test_a_package_announces_an_agent(package: str) -> None:
    """An entry point makes an agent known; its module is imported when the agent is asked for, not before."""
    assert agent_names() == sorted([*SHIPPED, "absent", "other-name", "seven", "third-party"])
    assert package not in sys.modules
    assert agent_spec("third_party").name == "third-party"
    assert package in sys.modules


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("seven", "is int, not AgentSpec"),
        ("absent", "cannot be imported: ModuleNotFoundError"),
        ("other-name", "the spec says 'third-party'"),
    ],
)
def test_a_package_that_is_broken_harms_nobody_else(package: str, name: str, complaint: str) -> None:
    """Asking for a broken announcement says what is wrong with it; the other agents stay available."""
    with pytest.raises(ValueError, match=complaint):
        agent_spec(name)
    assert agent_spec("pi") is PI
