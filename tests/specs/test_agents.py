from __future__ import annotations

import ast
import json
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.specs import AgentEvent, AgentSpec, Launch, McpServer
from greenroom.specs.agent_rules import check_agent
from greenroom.specs.agents import BASH, BUILT_IN, CLAUDE_CODE, CODEX, PI
from greenroom.specs.invocation import invocation

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
FIELDS = st.sampled_from(
    ["type", "item", "message", "content", "role", "step", "result", "text", "error", "part", "state", "tool_calls"]
)
WORDS = st.sampled_from(
    ["assistant", "user", "result", "text", "thinking", "tool", "error", "message"]
) | st.sampled_from(
    [
        "item.started",
        "item.completed",
        "mcp_tool_call",
        "file_change",
        "message_end",
        "tool_use",
        "tool_result",
        "toolCall",
    ]
)


def PARTS(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:  # noqa: N802 - reads as data
    """Objects and lists that look a little like what agents print."""
    return st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner | WORDS, max_size=5)


every_agent = pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)


@pytest.mark.parametrize("name", ["bash", "aider", "mini-swe-agent", "vibe"])
def test_agents_that_are_told_how_long_a_reply_may_take_wait_for_their_model(name: str) -> None:
    """No client of an agent gives up on a slow answer while the agent's clock stands still for it."""
    spec = next(spec for spec in BUILT_IN if spec.name == name)
    built = invocation(spec, replace(LAUNCH, seconds=61.0, model_wait=300.0))
    told = "\n".join((*built.argv, *built.env.values(), *built.files.values()))
    assert "361" in told


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
def test_the_instruction_travels_whole(spec: AgentSpec, instruction: str) -> None:
    """An instruction is standard input, a file or an argument as it stands, as the spec says, and nowhere else."""
    built = invocation(spec, replace(LAUNCH, instruction=instruction))
    elsewhere = "\0".join((*built.argv, *built.env.values()))
    match spec.delivery:
        case "stdin":
            assert (built.stdin, instruction in elsewhere) == (instruction, False)
        case "file":
            assert built.files["/home/a b/.greenroom/instruction.md"] == instruction
            assert instruction not in f"{elsewhere}{built.stdin}"
        case "command":
            in_json = json.dumps(instruction, ensure_ascii=False)
            assert any(instruction in place for place in (built.stdin, *built.argv)) or any(
                in_json in file for file in built.files.values()
            )


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


SERVER = McpServer(name="notes", command=("/usr/bin/python3", "/workspace/a b.py", '"'), env={"A": "1"})


@every_agent
def test_nothing_is_done_without_having_been_permitted(spec: AgentSpec) -> None:
    """An agent acts without asking only as far as its spec approves; nothing approved leaves no such argument."""
    built, bare = invocation(spec, LAUNCH), invocation(replace(spec, approve=()), LAUNCH)
    flags = [argument for name in spec.approve for argument in spec.approvals[name]]
    assert [argument for argument in built.argv if argument not in flags] == list(bare.argv)
    assert len(built.argv) == len(bare.argv) + len(flags)


def test_codex_is_configured_by_a_file_that_can_be_read_back() -> None:
    """The configuration is TOML whatever names hold; the key is named in it, not written."""
    spec = replace(CODEX, mcp_servers=(SERVER,))
    built = invocation(spec, replace(LAUNCH, model='a "model"\\'))
    config = tomllib.loads(built.files[".codex/config.toml"])
    provider = config["model_providers"][config["model_provider"]]
    assert (config["model"], provider["base_url"]) == ('a "model"\\', LAUNCH.base_url)
    assert (built.env[provider["env_key"]], "secret-key" in str(config)) == ("secret-key", False)
    assert config["mcp_servers"] == {
        "notes": {"command": "/usr/bin/python3", "args": ["/workspace/a b.py", '"'], "env": {"A": "1"}}
    }


def test_claude_takes_mcp_servers_from_greenroom_alone() -> None:
    """A task's own files start nothing: the servers are those of the spec, and a strict reading is asked for."""
    built = invocation(replace(CLAUDE_CODE, mcp_servers=(SERVER,)), LAUNCH)
    (path,) = built.files
    assert "--strict-mcp-config" in built.argv
    assert f"/home/a b/{path}" in built.argv
    assert json.loads(built.files[path])["mcpServers"]["notes"]["args"] == ["/workspace/a b.py", '"']


@every_agent
@given(line=st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), PARTS).map(json.dumps)))
def test_no_line_of_output_upsets_a_parser(spec: AgentSpec, line: str) -> None:
    """Whatever an agent prints, reading it gives events or nothing."""
    if spec.events is not None:
        assert all(isinstance(event, AgentEvent) for event in spec.events(line))
