"""What every agent that is called proved bears: odd instructions, models that fail, its own death."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from greenroom.interception import ModelError, Routes
from greenroom.interception.server import Server
from greenroom.messages import Completion, ModelCall, Text, ToolUse
from greenroom.specs import AgentSpec, Invocation, Launch, McpServer
from tests.agents.cutting import Cutter, cutter
from tests.agents.proving import Model, doing, done, is_main, play, results, run, said_by_user, turns
from tests.agents.running import run_agent

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.needs("bwrap"),
    pytest.mark.timeout(900),  # the first test of an agent waits for its installation
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
HOSTILE = "-x $(touch pwned) `touch pwned` \"two\" 'one' \\ ; touch pwned & 你好 🜁 {model} %s\n/exit @nothing !ls\n"
GIVE_UP_AFTER_A_CUT = {"gemini-cli"}
"""Agents that do not ask again, which docs/agents.md says of them."""
MCP_SERVER = Path(__file__).with_name("mcp_server.py").read_text()


def failing(*errors: ModelError, then: Model) -> Model:
    """A model whose first answers to the agent's work are these errors."""
    left = list(errors)

    async def model(call: ModelCall) -> Completion:
        if is_main(call) and left:
            raise left.pop(0)
        return await then(call)

    return model


async def test_an_instruction_arrives_whole_and_runs_nothing(spec: AgentSpec) -> None:
    """100 KB that a shell would trip over reach the model as they are, and nothing of it is carried out."""
    instruction = HOSTILE + "0123456789abcdef" * 6200 + "\n" + HOSTILE.strip()
    told: list[str] = []

    async def model(call: ModelCall) -> Completion:
        told.append(said_by_user(call))
        return done(call)

    outcome = await play(spec, model, instruction=instruction, verify=('test -z "$(ls)"',))
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert any(instruction in text for text in told)


async def test_a_home_with_spaces_is_a_home(spec: AgentSpec) -> None:
    """Every file and path of an agent may hold a space."""

    def moved(launch: Launch) -> Invocation:
        home = f"{launch.home}/a home/of its own"
        built = spec.command(replace(launch, home=home))
        files = {path if path.startswith("/") else f"{home}/{path}": text for path, text in built.files.items()}
        return replace(built, files=files, env={**built.env, "HOME": home})

    elsewhere = replace(spec, command=moved, artifacts=tuple(f"*/*/{pattern}" for pattern in spec.artifacts))
    outcome = await play(elsewhere, doing("echo hello > hello.txt"), verify=("grep -qx hello hello.txt",))
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert all(name.startswith("a home/of its own/") for name in outcome.attempts[-1].agent_files)


async def test_errors_that_pass_are_outlived(spec: AgentSpec) -> None:
    """A model that fails twice and is well again costs nothing but time, and counts no turn."""
    passing = ModelError("unavailable", "made up", 500)
    model = failing(passing, passing, then=doing("echo hello > hello.txt"))
    outcome = await play(spec, model, verify=("grep -qx hello hello.txt",))
    assert (outcome.status, outcome.reward, outcome.fault) == ("completed", 1.0, None)
    assert len(outcome.turns) == 2


async def test_a_reply_cut_in_the_middle_is_asked_for_again(spec: AgentSpec, prefix: str, tmp_path: Path) -> None:
    """A stream that breaks off costs one more request: the tool is used once, and the agent ends well.

    Where replies are streamed, the model is still at work then, and its one answer goes to the agent's second try.
    """
    work = doing("echo once >> n.txt")
    cuts: list[Cutter] = []

    async def model(call: ModelCall) -> Completion:
        if call.stream and not turns(call):
            with anyio.fail_after(30):
                await cuts[0].asked_again.wait()
        return await work(call)

    routes = Routes()
    server = Server(routes)
    await server.start()
    route = routes.open(model, rollout_id="r")
    try:
        async with cutter(server.base_url) as cut:
            cuts.append(cut)
            ended = await run_agent(
                spec, tmp_path, f"{cut.base_url}/v1", instruction="Do it.", prefix=prefix, api_key=route.key
            )
    finally:
        routes.close(route)
        await server.close()
    if spec.name in GIVE_UP_AFTER_A_CUT:
        assert (ended.code != 0, route.counters.calls) == (True, 1), "it has learnt to try again: take it off the list"
        return
    assert (ended.code, cut.cuts) == (0, 1), ended.output
    assert (ended.workdir / "n.txt").read_text() == "once\n"
    assert route.fault is None
    assert route.counters.calls == 2 or not spec.streams


async def test_a_refusal_ends_it(spec: AgentSpec) -> None:
    """A model that refuses the key is the model's fault, whatever the agent's exit code says, and nothing is scored."""

    async def model(_: ModelCall) -> Completion:
        raise ModelError("unauthorized", "made up", 401, retryable=False)

    outcome = await play(spec, model, verify=("true",))
    assert (outcome.status, outcome.reward) == ("model_failed", None)
    assert outcome.fault is not None
    assert outcome.fault.blame == "model"


async def test_its_death_is_noticed(spec: AgentSpec) -> None:
    """An agent that is killed at its work is the outcome's data, its work is judged, and nothing hangs."""
    outcome = await play(spec, doing("echo hello > hello.txt; kill -9 -1"), verify=("grep -qx hello hello.txt",))
    assert outcome.status == "agent_failed"
    assert outcome.fault is not None
    assert (outcome.fault.kind, outcome.attempts[-1].agent_exit_code) == ("agent_exit", -9)
    assert [command.exit_code for command in outcome.attempts[-1].commands] == [0]


async def test_it_ends_when_its_turns_are_used_up(spec: AgentSpec) -> None:
    """A model that never comes to an end is cut off politely: the agent ends, and its work counts as truncated."""

    async def model(call: ModelCall) -> Completion:
        return run(call, f"echo {turns(call)} >> turns.txt") if is_main(call) else done(call)

    outcome = await play(spec, model, max_turns=4, verify=("test -s turns.txt",))
    assert (outcome.status, outcome.reward, len(outcome.turns)) == ("truncated", 1.0, 4)


async def test_it_uses_an_mcp_server(spec: AgentSpec) -> None:
    """A server of the spec runs in the sandbox, its tool is offered to the model, and its answer comes back."""
    if not spec.mcp:
        with pytest.raises(ValueError, match=f"agent '{spec.name}': mcp_servers: this agent cannot be given any"):
            await play(replace(spec, mcp_servers=(McpServer(name="words", command=("x",)),)), doing("true"))
        return
    command = ("/usr/bin/env", "python3", "/workspace/a server.py")
    server = McpServer(name="words", command=command, env={"SECRET_NUMBER": "4711"})
    learnt: list[str] = []

    async def model(call: ModelCall) -> Completion:
        learnt.append(results(call))
        tool = next((tool.name for tool in call.tools if "look_up" in tool.name), "")
        if turns(call) or not tool:
            return Completion(parts=(Text(f"Offered: {', '.join(tool.name for tool in call.tools)}."),))
        return Completion(parts=(ToolUse("call-1", tool, '{"word": "heron"}'),), finish_reason="tool_calls")

    given = {"a server.py": MCP_SERVER}
    outcome = await play(replace(spec, mcp_servers=(server,)), model, files=given, verify=("true",))
    assert outcome.status == "completed"
    assert any("heron is 4711" in text for text in learnt), outcome.turns[-1].completion.text
