"""Answers in the shapes that servers give them, from a server to the agent and the record."""

from __future__ import annotations

import pytest

from greenroom.messages import Text, Thinking, ToolUse
from tests.world.models.endings import play
from tests.world.models.server import Said, chat, events, said

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


# agentjido/req_llm#742, mistralai/client-python#252: Mistral's reasoning models answer with a list of parts.
async def test_content_as_a_list() -> None:
    """Reasoning and text are what they are, and the answer is asked for once."""
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hi"}]
    body = chat(None)
    body["choices"][0]["message"]["content"] = content
    outcome, asked = await play(said(200, body))
    assert (outcome.status, asked) == ("completed", 1)
    assert outcome.turns[0].completion.parts == (Thinking("hm"), Text("hi"))


# Servers that parse calls themselves give the arguments as an object; "stop" is said beside them.
async def test_arguments_as_an_object() -> None:
    """They are recorded as their JSON text, and the turn as one that calls a tool."""
    call = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": {"a": 1}}}
    outcome, asked = await play(said(200, chat(None, tool_calls=[call])))
    assert (outcome.turns[0].completion.parts, asked) == ((ToolUse("c", "ls", '{"a": 1}'),), 1)
    assert outcome.turns[0].completion.finish_reason == "tool_calls"


# openai/openai-python#3246, ollama/ollama#15457: gateways stream unasked, leave indexes out or give all the same.
async def test_a_stream_nobody_asked_for() -> None:
    """The pieces add up to the calls that were meant."""
    deltas = [
        {"tool_calls": [{"index": 0, "id": id, "function": {"name": "ls", "arguments": "{}"}}]} for id in ("a", "b")
    ]
    pieces = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {"content": None}, "finish_reason": "stop"}]}
    outcome, _ = await play(events({"choices": [], "prompt_filter_results": []}, *pieces, end))
    assert outcome.turns[0].completion.parts == (ToolUse("a", "ls", "{}"), ToolUse("b", "ls", "{}"))


# OpenRouter and DeepSeek keep a connection alive with comments and blank lines before the answer.
async def test_signs_of_life_before_an_answer() -> None:
    """They are no part of it."""
    (body,) = said(200, chat("done")).pieces
    outcome, asked = await play(Said(pieces=(b"\n\n: OPENROUTER PROCESSING\n\n", body)))
    assert (outcome.turns[0].completion.text, asked) == ("done", 1)


# Proxies end a stream when the server behind them dies: no finish reason, no [DONE].
async def test_an_answer_without_an_end() -> None:
    """Half of a stream is no answer, and asked for again."""
    half = events({"choices": [{"index": 0, "delta": {"content": "I wi"}}]}, done=False)
    outcome, asked = await play(half, said(200, chat("done")))
    assert ([turn.completion.text for turn in outcome.turns], asked) == (["done"], 2)


async def test_a_shape_that_says_nothing_is_told_once() -> None:
    """A server that will answer like that again is asked once; the fault shows the field, and the key is in none."""
    body = chat(None)
    body["choices"][0]["message"]["content"] = {"text": 7, "more": "\x1b[31m" * 100}
    outcome, asked = await play(said(200, body))
    assert (outcome.status, outcome.reward_valid, asked) == ("model_failed", False, 1)
    assert outcome.fault is not None
    assert outcome.fault.message.isprintable()
    assert 'choices[0].message.content: expected a part with text, got {"text": 7' in outcome.fault.message
    assert len(outcome.fault.message.partition("got ")[2]) <= 200
