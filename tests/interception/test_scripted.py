"""Script files and the model that follows them."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from greenroom.interception import ModelError
from greenroom.interception.script import ScriptError, load
from greenroom.interception.scripted import ScriptedModel
from greenroom.messages import ChatMessage, Completion, ModelCall, Text, Thinking, Tool, ToolUse

SCRIPT = """
[[script]]
task = "add"
samples = [0, 1]

[[script.turns]]
thinking = "hm"
text = "Let me look."
delay = 2.5
tools = [{ name = "bash", arguments = { command = "ls" } }, { name = "bash", arguments = { command = "pwd" } }]

[[script.turns]]
text = "Solved."

[[script]]
task = "add"
attempts = [1]

[[script.turns]]
fail = "unavailable"

[[script]]
turns = [{ text = "42", finish = "length" }]
"""

BASH = Tool("bash")


def written(path: Path, text: str, name: str = "s.toml") -> Path:
    """A script file."""
    path = path / name
    path.write_text(text)
    return path


def call(
    task: str = "add", sample: int = 0, attempt: int = 1, turns: int = 0, tools: tuple[Tool, ...] = (BASH,)
) -> ModelCall:
    """A call with so many turns behind it."""
    past = (ChatMessage("assistant", (Text("x"),)), ChatMessage("tool", ())) * turns
    messages = (ChatMessage("user", (Text("do"),)), *past)
    return ModelCall(
        id="", task_id=task, sample=sample, attempt=attempt, dialect="chat", model="m", messages=messages, tools=tools
    )


@pytest.mark.anyio
async def test_a_script_is_followed_turn_by_turn(tmp_path: Path) -> None:
    """The n-th turn answers the conversation that has n turns in it, after its delay, and "done" ends the script."""
    model = ScriptedModel.read(written(tmp_path, SCRIPT))
    began = anyio.current_time()
    first = await model(call())
    assert anyio.current_time() - began == pytest.approx(2.5)
    assert first == Completion(
        parts=(
            Thinking("hm"),
            Text("Let me look."),
            ToolUse("call_0_0", "bash", '{"command":"ls"}'),
            ToolUse("call_0_1", "bash", '{"command":"pwd"}'),
        ),
        finish_reason="tool_calls",
    )
    assert (await model(call(turns=1))).text == "Solved."
    assert await model(call(turns=2)) == Completion(parts=(Text("done"),))
    assert await model(call()) == first
    await model.close()


@pytest.mark.anyio
async def test_samples_attempts_and_tasks_differ(tmp_path: Path) -> None:
    """Samples of a task may have scripts of their own, attempts too, and a task without one gets the default."""
    model = ScriptedModel.read(written(tmp_path, SCRIPT))
    assert (await model(call(sample=1, turns=1))).text == "Solved."
    with pytest.raises(ModelError):
        await model(call(sample=2))
    assert (await model(call(sample=2, attempt=2))).text == "42"
    other = await model(call(task="other"))
    assert (other.text, other.finish_reason) == ("42", "length")


@pytest.mark.anyio
async def test_a_tool_the_agent_lacks(tmp_path: Path) -> None:
    """A script that wants a tool the agent does not offer ends with a text that says so."""
    model = ScriptedModel.read(written(tmp_path, SCRIPT))
    reply = await model(call(tools=(Tool("shell"), Tool("edit"))))
    assert reply == Completion(parts=(Text("The script wants the tool 'bash'; offered: shell, edit."),))
    assert "offered: none" in (await model(call(tools=()))).text


@pytest.mark.anyio
async def test_ways_to_fail(tmp_path: Path) -> None:
    """A script can fail in each way a model can: for a while, for good, by raising, and by never answering."""
    ways = ["unavailable", "overloaded", "rejected", "context_length", "crash", "hang"]
    turns = [{"fail": way} for way in ways]
    model = ScriptedModel.read(written(tmp_path, json.dumps({"script": [{"turns": turns}]}), "s.json"))
    found: list[tuple[str, bool]] = []
    for number in range(4):
        with pytest.raises(ModelError) as failure:
            await model(call(turns=number))
        found.append((failure.value.kind, failure.value.retryable))
    assert found == [("unavailable", True), ("unavailable", True), ("rejected", False), ("context_length", False)]
    with pytest.raises(RuntimeError):
        await model(call(turns=4))
    with anyio.move_on_after(10_000) as waited:
        await model(call(turns=5))
    assert waited.cancelled_caught


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[script]]\nturns = [", "s.toml: "),
        ("", r"missing required field `script`; allowed fields: script"),
        ("[[script]]\ntask = 'x'", r"`turns` - at `\$.script\[0\]`; allowed fields: task, samples, attempts, turns"),
        ("[[script]]\nturns = [{ txt = 'x' }]", r"`txt` - at .*; allowed fields: text, thinking, tools, delay"),
        ("[[script]]\nturns = [{ text = 3 }]", r"got `int` - at `\$.script\[0\].turns\[0\].text`"),
        ("[[script]]\nturns = [{ fail = 'boom' }]", r"allowed: unavailable, overloaded, rejected, .*hang"),
        ("[[script]]\nturns = [{ finish = 'x' }]", r"allowed: stop, length, content_filter"),
        ("[[script]]\nturns = [{ tools = [{ nam = 'x' }] }]", r"allowed fields: name, arguments"),
        ("[[script]]\nturns = [{ fail = 'hang', text = 'x' }]", r"stands alone.*`\$.script\[0\].turns\[0\]`"),
        ("[[script]]\nturns = [{}, { delay = -1 }]", r"`delay` is .*`\$.script\[0\].turns\[1\]`"),
        ("[[script]]\nturns = [{ delay = inf }]", r"`delay` is "),
        ("[[script]]\nsamples = ['x']\nturns = []", r"samples\[0\]`; allowed fields: task, samples"),
        ("[[other]]\nx = 1", r"unknown field `other`|missing required field `script`"),
    ],
)
def test_a_complaint_names_file_place_and_what_is_allowed(tmp_path: Path, text: str, complaint: str) -> None:
    """A script file that cannot be used is refused with its name, the place, and what may stand there."""
    path = written(tmp_path, text)
    with pytest.raises(ScriptError, match=complaint) as error:
        load(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing or unreadable file is reported by name, JSON or TOML."""
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    for name in ("none.toml", "bad.json", "bytes.toml", "."):
        with pytest.raises(ScriptError, match=r"[.\w]"):
            load(tmp_path / name)
