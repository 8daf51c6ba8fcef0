from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.specs.agents import PI
from greenroom.specs.agents.pi import pi_events
from tests.agents.chat_server import CUT, call, chat_server, say
from tests.agents.running import run_agent

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.timeout(900),  # the first test waits for the installation
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
WRITE_HELLO = call("bash", command="echo hello > hello.txt")
HOSTILE = "-x $(touch pwned) `touch pwned` \"two\" 'one' \\ 你好 🜁\r\n\n  tail \n"


async def test_it_uses_its_tool_and_finishes(tmp_path: Path, pi_prefix: str) -> None:
    """One tool call and one answer are two requests, a file in the work directory and exit status 0."""
    async with chat_server(WRITE_HELLO, say("all done")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="say hello", prefix=pi_prefix)
    assert (run.code, len(server.requests)) == (0, 2)
    assert (run.workdir / "hello.txt").read_text() == "hello\n"
    said = [event for line in run.output.splitlines() for event in pi_events(line)]
    assert [event.kind for event in said] == ["tool_call", "tool_result", "text", "end"]
    assert [event.text for event in said if event.kind == "text"] == ["all done"]


async def test_it_asks_as_it_was_told(tmp_path: Path, pi_prefix: str) -> None:
    """The requests carry the key, the model's whole name and the four tools, and they stream."""
    async with chat_server(say("ok")) as server:
        await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    (request,) = server.requests
    assert server.keys == ["Bearer key-of-this-attempt"]
    assert (request["model"], request["stream"]) == ("some/model:high", True)
    assert {tool["function"]["name"] for tool in request["tools"]} == {"read", "bash", "edit", "write"}
    assert {"store", "reasoning_effort"}.isdisjoint(request)


async def test_files_are_written_and_edited_by_its_tools(tmp_path: Path, pi_prefix: str) -> None:
    """Its write and edit tools change files in the work directory."""
    write = call("write", path="a.txt", content="one two\n")
    edit = call("edit", path="a.txt", edits=[{"oldText": "two", "newText": "three"}])
    async with chat_server(write, edit, say("ok")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    assert (run.workdir / "a.txt").read_text() == "one three\n"


@pytest.mark.parametrize(
    "instruction",
    [HOSTILE, "x" * 100_000 + "\n", "  \u3000led by space", "/skill:compact $(x)\n", "@not-a-file", "\ufeff!ls"],
    ids=["metacharacters", "long", "space first", "slash", "at", "mark first"],
)
async def test_the_instruction_arrives_byte_for_byte(tmp_path: Path, pi_prefix: str, instruction: str) -> None:
    """Whatever the instruction holds, the model gets exactly that and nothing is run."""
    async with chat_server(say("ok")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction=instruction, prefix=pi_prefix)
    assert server.instruction() == instruction
    assert (run.code, list(run.workdir.iterdir())) == (0, [])


async def test_passing_errors_are_tried_again(tmp_path: Path, pi_prefix: str) -> None:
    """Two answers of 500 delay the job and do not fail it."""
    async with chat_server(500, 500, WRITE_HELLO, say("ok")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    assert (run.code, len(server.requests)) == (0, 4)


async def test_a_reply_cut_in_mid_stream_is_asked_for_again(tmp_path: Path, pi_prefix: str) -> None:
    """A stream that breaks off costs one more request and nothing else."""
    async with chat_server(CUT, say("ok")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    assert (run.code, len(server.requests)) == (0, 2)


async def test_its_exit_code_lies(tmp_path: Path, pi_prefix: str) -> None:
    """A model that refuses the key is one request and a failure that it reports, and the exit code hides it."""
    async with chat_server(401) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    (failed,) = [event for line in run.output.splitlines() for event in pi_events(line) if event.kind == "error"]
    assert (run.code, len(server.requests), PI.exit_code_lies) == (0, 1, True)
    assert "401" in failed.text


async def test_nothing_of_the_task_speaks_for_the_user(tmp_path: Path, pi_prefix: str) -> None:
    """Files in and above the work directory that pi would take as context or configuration are left alone."""
    names: list[str] = [
        "AGENTS.md",
        "CLAUDE.md",
        ".pi/SYSTEM.md",
        ".pi/APPEND_SYSTEM.md",
        ".pi/prompts/go.md",
        "../AGENTS.md",
    ]
    given = dict.fromkeys(names, "MARK")
    async with chat_server(say("ok")) as server:
        await run_agent(PI, tmp_path, server.base_url, instruction="/go", prefix=pi_prefix, given=given)
    assert "MARK" not in str(server.requests[0]["messages"])


async def test_it_leaves_no_key_in_its_home(tmp_path: Path, pi_prefix: str) -> None:
    """No file of the home directory holds the key, the session that it keeps included."""
    async with chat_server(say("ok")) as server:
        run = await run_agent(PI, tmp_path, server.base_url, instruction="go", prefix=pi_prefix)
    texts = [path.read_text() for path in run.home.rglob("*") if path.is_file()]
    assert any('"session"' in text for text in texts)
    assert not any("key-of-this-attempt" in text for text in texts)
