from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from greenroom.specs.agents import BASH
from tests.agents.chat_server import CUT, call, chat_server, say
from tests.agents.running import run_agent

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
WRITE_HELLO = call("bash", command="echo hello > hello.txt")
STREAM = {"BASH_AGENT_STREAM": "1"}
HOSTILE = "-x $(touch pwned) `touch pwned` \"two\" 'one' \\ 你好 🜁\r\n\n  tail \n"


@pytest.mark.parametrize("env", [{}, STREAM], ids=["whole", "streamed"])
async def test_it_uses_its_tool_and_finishes(tmp_path: Path, env: dict[str, str]) -> None:
    """One tool call and one answer are two requests, a file in the work directory and exit status 0."""
    async with chat_server(WRITE_HELLO, say("all done")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="say hello", env=env)
    assert (run.code, len(server.requests)) == (0, 2)
    assert (run.workdir / "hello.txt").read_text() == "hello\n"
    steps = [json.loads(line) for line in run.output.splitlines()]
    assert [step["step"] for step in steps] == ["assistant", "tool", "assistant"]
    assert steps[-1]["text"] == "all done"


@pytest.mark.parametrize("env", [{}, STREAM], ids=["whole", "streamed"])
async def test_what_the_tool_gave_is_sent_back(tmp_path: Path, env: dict[str, str]) -> None:
    """The second request holds the call as the model made it, and its exit code and output."""
    async with chat_server(call("bash", command="echo out; echo err >&2; exit 3"), say("ok")) as server:
        await run_agent(BASH, tmp_path, server.base_url, instruction="go", env=env)
    asked, answered = server.requests[1]["messages"][-2:]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"])["command"].endswith("exit 3")
    assert answered["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert json.loads(answered["content"]) == {"exit_code": 3, "timed_out": False, "output": "out\nerr\n"}


@pytest.mark.parametrize("instruction", [HOSTILE, "x" * 100_000 + "\n"], ids=["metacharacters", "long"])
async def test_the_instruction_arrives_byte_for_byte(tmp_path: Path, instruction: str) -> None:
    """Whatever the instruction holds, the model gets exactly that and nothing is run."""
    async with chat_server(say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction=instruction)
    assert server.instruction() == instruction
    assert (run.code, list(run.workdir.iterdir())) == (0, [])


@pytest.mark.parametrize("env", [{}, STREAM], ids=["whole", "streamed"])
async def test_passing_errors_are_tried_again(tmp_path: Path, env: dict[str, str]) -> None:
    """Two answers of 500 delay the job and do not fail it."""
    async with chat_server(500, 500, WRITE_HELLO, say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go", env=env)
    assert (run.code, len(server.requests)) == (0, 4)


async def test_a_reply_cut_in_mid_stream_is_asked_for_again(tmp_path: Path) -> None:
    """A stream that breaks off costs one more request and nothing else."""
    async with chat_server(CUT, say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go", env=STREAM)
    assert (run.code, len(server.requests)) == (0, 2)


@pytest.mark.parametrize("reply", [401, 400, CUT, {"content": None, "tool_calls": [{"id": 1}]}], ids=str)
async def test_an_error_that_stays_ends_it_at_once(tmp_path: Path, reply: int | str) -> None:
    """A refused or senseless reply is one request and exit status 1."""
    async with chat_server(reply) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go")
    assert (run.code, len(server.requests)) == (1, 1)
    assert json.loads(run.output)["step"] == "error"


async def test_a_command_out_of_time_is_killed(tmp_path: Path) -> None:
    """A command that hangs is ended with its children, and the model is told."""
    async with chat_server(call("bash", command="echo begun; sleep 600 & sleep 600"), say("ok")) as server:
        run = await run_agent(
            BASH, tmp_path, server.base_url, instruction="go", env={"BASH_AGENT_COMMAND_SECONDS": "0.5"}
        )
    result = json.loads(server.requests[1]["messages"][-1]["content"])
    assert (run.code, result) == (0, {"exit_code": -9, "timed_out": True, "output": "begun\n"})


async def test_a_background_process_does_not_hold_it_up(tmp_path: Path) -> None:
    """A command ends when its shell does, though something it started keeps its output open."""
    async with chat_server(call("bash", command="sleep 600 & echo $!"), say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go")
    result = json.loads(server.requests[1]["messages"][-1]["content"])
    os.kill(int(result["output"]), signal.SIGKILL)
    assert (result["exit_code"], run.code) == (0, 0)


@pytest.mark.parametrize(
    "reply", [call("python", command="1"), call("bash", cmd="1"), call("bash", command=7)], ids=["tool", "key", "type"]
)
async def test_a_senseless_call_is_answered(tmp_path: Path, reply: dict[str, object]) -> None:
    """A tool call that cannot be carried out is reported to the model, which may do better."""
    async with chat_server(reply, say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go")
    assert run.code == 0
    assert "error" in json.loads(server.requests[1]["messages"][-1]["content"])


async def test_it_stops_at_its_own_turn_limit(tmp_path: Path) -> None:
    """A model that never finishes is left after the limit, with exit status 3."""
    async with chat_server(call("bash", command="true")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go", env={"BASH_AGENT_TURNS": "3"})
    assert (run.code, len(server.requests)) == (3, 3)


async def test_commands_do_not_see_the_key(tmp_path: Path) -> None:
    """The key goes to the model's server and is not in the environment of the commands."""
    async with chat_server(call("bash", command="env"), say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go")
    assert server.keys[0] == "Bearer key-of-this-attempt"
    assert "key-of-this-attempt" not in run.output


async def test_code_in_the_work_directory_is_not_its_code(tmp_path: Path) -> None:
    """A task's own json.py, even on PYTHONPATH, is not imported."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit(9)")
    async with chat_server(say("ok")) as server:
        run = await run_agent(BASH, tmp_path, server.base_url, instruction="go", env={"PYTHONPATH": str(trap)})
    assert run.code == 0
