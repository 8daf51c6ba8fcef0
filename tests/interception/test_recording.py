"""Replays of recorded outcomes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from greenroom.interception import model_for
from greenroom.interception.recording import RecordedModel
from greenroom.interception.script import ScriptError
from greenroom.messages import (
    AttemptRecord,
    ChatMessage,
    Completion,
    ModelCall,
    Outcome,
    Text,
    ToolResult,
    ToolUse,
    prompt,
)
from greenroom.messages.trajectory import Recorder
from greenroom.specs import Scripted, Simulated
from tests.engine.playing import a_task, an_engine, play_one

pytestmark = pytest.mark.anyio

USER = ChatMessage("user", (Text("do"),))
TITLE = ChatMessage("user", (Text("a title, please"),))
LOOK = Completion(
    parts=(ToolUse("", "bash", '{"command": "ls"}'),),
    finish_reason="tool_calls",
    prompt_token_ids=(1, 2),
    completion_token_ids=(3,),
    logprobs=(-0.5,),
)
LOOKED = (USER, ChatMessage("assistant", LOOK.parts), ChatMessage("tool", (ToolResult("a", (Text("a.py"),)),)))
DONE = Completion(parts=(Text("mended"),), prompt_token_ids=(1, 2, 3, 4), completion_token_ids=(5,))


def recorded(sample: int = 0) -> Outcome:
    """An attempt with a title beside it."""
    recorder = Recorder()
    asked = [((USER,), LOOK), ((TITLE,), Completion(parts=(Text("Mending"),))), (LOOKED, DONE)]
    turns = tuple(recorder.record(messages, said, started=0, seconds=1) for messages, said in asked)
    attempts = (AttemptRecord(number=1, status="completed", turns=turns),)
    return Outcome(rollout_id="r", task_id="t", group="t", sample=sample, status="completed", attempts=attempts)


def call(*messages: ChatMessage, sample: int = 0, task: str = "t") -> ModelCall:
    """A call of another run."""
    return ModelCall(id="x", dialect="anthropic", model="m", task_id=task, sample=sample, messages=messages)


async def test_what_was_said_is_said_again() -> None:
    """Each conversation gets the recorded answer, with its tokens, and those of the prompt where that is the same."""
    model = RecordedModel([recorded()])
    assert await model(call(USER)) == LOOK
    assert (await model(call(TITLE))).text == "Mending"
    assert await model(call(*LOOKED)) == DONE
    changed = (USER, LOOKED[1], ChatMessage("tool", (ToolResult("a", (Text("b.py"),)),)))
    assert await model(call(*changed)) == msgspec.structs.replace(DONE, prompt_token_ids=None)
    assert (await model(call(*LOOKED, *LOOKED))).text == "done"
    await model.close()


async def test_other_tasks_and_samples_have_nothing_recorded() -> None:
    """What was not recorded ends the agent politely."""
    model = RecordedModel([recorded(), recorded(sample=1)])
    assert await model(call(USER, sample=1)) == LOOK
    for other in (call(USER, sample=2), call(USER, task="u")):
        assert (await model(other)).text == "done"


async def test_a_run_is_played_again(tmp_path: Path) -> None:
    """The outcomes of a run, written one a line, drive the same agent to the same turns."""
    first = await play_one(an_engine(sandbox=Simulated(turns=4)), a_task())
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(msgspec.json.encode(first) + b"\n\n")
    again = await play_one(an_engine(model=Scripted(str(path)), sandbox=Simulated(turns=4)), a_task())
    assert [turn.completion for turn in again.turns] == [turn.completion for turn in first.turns]
    assert prompt(again.turns, 3).messages == prompt(first.turns, 3).messages
    assert len(first.turns) == 4


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    """A file that is not there, or a line that is no outcome, is named."""
    with pytest.raises(ScriptError, match="nowhere"):
        model_for(Scripted("nowhere.jsonl"))
    (tmp_path / "o.jsonl").write_bytes(msgspec.json.encode(recorded()) + b"\n{}\n")
    with pytest.raises(ScriptError, match="line 2 is no outcome"):
        model_for(Scripted(str(tmp_path / "o.jsonl")))
