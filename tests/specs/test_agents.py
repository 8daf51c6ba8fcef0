from __future__ import annotations

import ast
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.specs import AgentSpec, Launch
from greenroom.specs.agent_rules import check_agent
from greenroom.specs.agents import BASH, BUILT_IN, PI

LAUNCH = Launch(
    instruction="do it",
    base_url="http://127.0.0.1:8080/v1",
    api_key="secret-key",
    model="m",
    home="/home/a b",
    workdir="/workspace",
    prefix="/prefix",
    python="/usr/bin/python3.11",
    seconds=60.0,
)
HOSTILE = "-x $(id) `id` 'one' \"two\" \\ $HOME ; true\n你好 🜁\r\nend"
every_agent = pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)


@every_agent
def test_what_ships_obeys_the_rules(spec: AgentSpec) -> None:
    """Every spec that ships would be accepted from a third party."""
    check_agent(spec)


@every_agent
def test_the_key_is_not_in_argv(spec: AgentSpec) -> None:
    """The key reaches the agent, but not on its command line."""
    built = spec.command(LAUNCH)
    assert not any("secret-key" in argument for argument in built.argv)
    assert any("secret-key" in value for value in (*built.env.values(), *built.files.values()))


@every_agent
@pytest.mark.parametrize("instruction", [HOSTILE, "x" * 100_000], ids=["metacharacters", "long"])
def test_the_instruction_travels_on_standard_input(spec: AgentSpec, instruction: str) -> None:
    """An instruction is standard input as it stands, and nowhere else."""
    built = spec.command(replace(LAUNCH, instruction=instruction))
    assert built.stdin == instruction
    assert instruction not in "\0".join((*built.argv, *built.env.values(), *built.files.values()))


@every_agent
def test_no_shell_is_involved(spec: AgentSpec) -> None:
    """The program that is started is the agent or its interpreter."""
    assert spec.command(LAUNCH).argv[0].rpartition("/")[2] not in {"sh", "bash", "dash", "env"}


def test_bash_brings_its_program_along() -> None:
    """The program is a file of the invocation, run from the home directory by the given interpreter."""
    built = BASH.command(LAUNCH)
    (name,) = built.files
    assert built.argv == ("/usr/bin/python3.11", "-I", "-S", f"/home/a b/{name}")


def test_bash_uses_the_standard_library_alone() -> None:
    """The program imports nothing that has to be installed."""
    (program,) = BASH.command(LAUNCH).files.values()
    found = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in found]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_bash_gives_no_command_more_than_the_agent_has() -> None:
    """The time for one command is two minutes, or the agent's budget when that is less."""
    short, long = (BASH.command(replace(LAUNCH, seconds=budget)).env for budget in (7.0, 999.0))
    assert (short["BASH_AGENT_COMMAND_SECONDS"], long["BASH_AGENT_COMMAND_SECONDS"]) == ("7.0", "120.0")


def test_pi_names_the_key_and_the_model_in_its_files() -> None:
    """models.json refers to the key by variable; settings.json selects the model, whatever its name looks like."""
    built = PI.command(replace(LAUNCH, model="org/qwen:high"))
    provider = json.loads(built.files[".pi/agent/models.json"])["providers"]["greenroom"]
    assert provider["apiKey"] == "$GREENROOM_API_KEY"
    assert built.env["GREENROOM_API_KEY"] == "secret-key"
    settings = json.loads(built.files[".pi/agent/settings.json"])
    assert (settings["defaultModel"], provider["models"][0]["id"]) == ("org/qwen:high", "org/qwen:high")


def test_pi_never_gives_up_on_a_slow_reply() -> None:
    """The time-out of five minutes that pi has is off: the engine's deadline decides."""
    settings = json.loads(PI.command(LAUNCH).files[".pi/agent/settings.json"])
    assert settings["httpIdleTimeoutMs"] == 0


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_pi_loses_no_outer_white_space(instruction: str) -> None:
    """What pi trims from its standard input comes as an argument, so that both together are the instruction."""
    built = PI.command(replace(LAUNCH, instruction=instruction))
    space = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
    trimmed = built.stdin.strip(space)  # as JavaScript does
    _, _, message = "\0".join(built.argv).partition("\0--\0")
    assert trimmed + message == instruction


def test_pi_never_exceeds_what_an_argument_may_hold() -> None:
    """Very long text that begins with white space still travels on standard input."""
    built = PI.command(replace(LAUNCH, instruction=" " + "x" * 200_000))
    assert max(map(len, built.argv)) < 1000
    assert built.stdin.endswith("x" * 200_000)
