"""OpenAI Responses: the real SDK as the client of the real server."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import cast

import httpx2
import openai
import pytest
from openai.types.responses import (
    EasyInputMessageParam,
    FunctionToolParam,
    Response,
    ResponseInputItemParam,
    ToolParam,
)

from greenroom.interception import Limits, ModelError, Routes
from greenroom.interception.dialects.responses_input import UNSIGNED
from greenroom.messages import (
    ChatMessage,
    Completion,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)
from tests.interception.sdk import MARKS, always, at_second, listing
from tests.interception.sdk import openai_agent as agent
from tests.interception.talk import HELLO, Owner, quick
from tests.interception.wiring import serving

pytestmark = MARKS

FULL = Completion(
    parts=(
        Thinking("hm", "enc"),
        Thinking("hm hm"),
        Text("let me see " * 1000),
        ToolUse("a", "bash", '{"command": "ls"}'),
        ToolUse("b", "mcp__t__ping", "{}"),
        ToolUse("c", "patch", '{"input": "x\\ny"}'),
    ),
    usage=Usage(10, 20, 3),
)
BASH: FunctionToolParam = {
    "type": "function",
    "name": "bash",
    "description": "d",
    "parameters": {"type": "object"},
    "strict": False,
}
TOOLS: list[ToolParam] = [
    BASH,
    {
        "type": "namespace",
        "name": "mcp__t",
        "description": "of t",
        "tools": [{"type": "function", "name": "ping", "parameters": {"type": "object"}}],
    },
    {"type": "custom", "name": "patch", "description": "free text"},
    {"type": "web_search"},
]
HI: EasyInputMessageParam = {"role": "user", "content": "hi"}


def back(response: Response) -> list[ResponseInputItemParam]:
    """The output of a response as the input of the next, as the SDK's users write it."""
    return [cast("ResponseInputItemParam", item.to_dict()) for item in response.output]


async def test_one_piece_and_streamed_say_the_same() -> None:
    """Reasoning, text, parallel calls of every kind of tool, status and usage are the same streamed and whole."""
    routes = Routes()
    one, many = (routes.open(always(FULL), rollout_id="r") for _ in range(2))
    async with serving(routes) as server, agent(server, one) as first, agent(server, many) as second:
        whole = await first.responses.create(model="m", input="hi", tools=TOOLS)
        events = [e async for e in await second.responses.create(model="m", input="hi", tools=TOOLS, stream=True)]
    assert events[-1].type == "response.completed"
    assert events[-1].response == whole
    assert [event.item for event in events if event.type == "response.output_item.done"] == whole.output
    assert [item.type for item in whole.output] == [
        *("reasoning", "reasoning", "message", "function_call", "function_call", "custom_tool_call")
    ]
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.input_tokens_details.cached_tokens) == (10, 3)


async def test_a_conversation_with_tools() -> None:
    """An answer the agent sends back with its tools' results is to the model's owner what it was."""
    routes, owner = Routes(), Owner()
    owner.answer(FULL, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        answer = await client.responses.create(
            model="m", instructions="be good", input=[HI], tools=TOOLS, store=False, max_output_tokens=9
        )
        items: list[ResponseInputItemParam] = [
            HI,
            *back(answer),
            {"type": "function_call_output", "call_id": "a", "output": "a.py"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "pong"}]},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        ]
        await client.responses.create(
            model="m", instructions="be good", input=items, tools=TOOLS, tool_choice="required", max_output_tokens=9
        )
    call = owner.asked[1]
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("user", (Text("hi"),)),
        ChatMessage("assistant", FULL.parts),
        ChatMessage("tool", (ToolResult("a", (Text("a.py"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("pong"),)),)),
        ChatMessage("tool", (ToolResult("c", (Text("done"),)),)),
    )
    assert [tool.name for tool in call.tools] == ["bash", "mcp__t__ping", "patch"]
    assert call.tools[0] == Tool("bash", "d", {"type": "object"})
    assert (call.tool_choice, call.sampling) == ("required", Sampling(max_tokens=9))


async def test_reasoning_nobody_signed() -> None:
    """Reasoning without encrypted content has a stand-in for the agent, and none again for the model's owner."""
    routes, owner = Routes(), Owner()
    owner.answer(Completion(parts=(Thinking("hm"), Text("yes"))), HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        answer = await client.responses.create(model="m", input=[HI], include=["reasoning.encrypted_content"])
        assert [item.encrypted_content for item in answer.output if item.type == "reasoning"] == [UNSIGNED]
        await client.responses.create(model="m", input=[HI, *back(answer), HI])
    assert owner.asked[1].messages[1] == ChatMessage("assistant", (Thinking("hm"), Text("yes")))


async def test_events_flow_before_the_answer() -> None:
    """The SDK hands events on while the model's owner still thinks, and the answer is whole all the same."""
    routes, owner = Routes(Limits(keepalive=0.01)), Owner()
    async with (
        serving(routes) as server,
        agent(server, routes.open(owner, rollout_id="r")) as client,
        client.responses.stream(model="m", input="hi", tools=TOOLS) as stream,
    ):
        kinds = [(await anext(stream)).type for _ in range(4)]
        assert kinds == ["response.created", *["response.in_progress"] * 3]
        assert owner.answers == []
        owner.answer(FULL)
        final = await stream.get_final_response()
    assert final.output_text == "let me see " * 1000


async def test_an_answer_that_was_cut_short() -> None:
    """An answer that came to the limit of its length is incomplete to the SDK, streamed or not."""
    routes, owner = Routes(), Owner()
    cut = Completion(parts=(Text("and th"),), finish_reason="length")
    owner.answer(cut, cut)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        whole = await client.responses.create(model="m", input="hi")
        events = [event async for event in await client.responses.create(model="m", input="hi", stream=True)]
    assert (whole.status, whole.output_text) == ("incomplete", "and th")
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert events[-1].type == "response.incomplete"
    assert (events[-1].response.output_text, events[-1].response.status) == ("and th", "incomplete")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_timeout_and_its_retry_are_one_call(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An SDK that loses patience and asks again gets the answer to its first request."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route, again = routes.open(owner, rollout_id="r"), at_second(partial(owner.answer, FULL))
    async with serving(routes) as server, agent(server, route, timeout=0.3, on_request=again) as client:
        if stream:
            with pytest.raises(openai.APITimeoutError):
                async for _ in await client.responses.create(model="m", input="hi", stream=True):
                    pass
        answer = await client.responses.create(model="m", input="hi")
    assert answer.output[-1].type == "function_call"
    assert (len(owner.asked), route.counters.calls) == (1, 1)


async def test_a_stream_that_is_dropped_and_asked_for_again() -> None:
    """An agent that loses a stream before its end and asks again gets the same answer, streamed or not."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.responses.create(model="m", input="hi", stream=True)
        await owner.was_asked()
        await stream.close()
        owner.answer()
        assert (await client.responses.create(model="m", input="hi")).output_text == "hello"
    assert len(owner.asked) == 1


async def test_a_cancelled_stream_cancels_its_answer() -> None:
    """When the agent closes its stream and does not come back, the owner's work is cancelled."""
    routes, owner = Routes(Limits(grace=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        async with client.responses.stream(model="m", input="hi"):
            await owner.was_asked()
        await asyncio.wait_for(owner.was_cancelled(), 10)


async def test_passing_failures_are_retried() -> None:
    """The SDK tries again after a passing failure, and its retries are one call."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(ModelError("unavailable", "secret"), HELLO)
    async with serving(routes) as server, agent(server, route) as client:
        assert (await client.responses.create(model="m", input="hi")).output_text == "hello"
    assert (route.counters.calls, route.counters.restarted) == (1, 1)


async def test_lasting_failures_are_not() -> None:
    """The SDK gives up at once when the model cannot answer or the request makes no sense, and learns nothing more."""
    routes, owner = Routes(), Owner()
    owner.answer(ModelError("rejected", "secret", retryable=False))
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        with pytest.raises(openai.BadRequestError) as lasting:
            await client.responses.create(model="m", input="hi")
        with pytest.raises(openai.BadRequestError, match="previous_response_id: not found"):
            await client.responses.create(model="m", input="hi", previous_response_id="resp_1")
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="nope").responses.create(model="m", input="hi")
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve("resp_1")
    assert len(owner.asked) == 1
    assert "secret" not in str(lasting.value)


@pytest.mark.parametrize(("retryable", "code"), [(True, "server_error"), (False, "invalid_prompt")])
async def test_a_failure_within_a_stream(retryable: bool, code: str) -> None:  # noqa: FBT001 - a parameter
    """A failure after the stream has begun ends it with a response that failed, and says whether it may pass."""
    routes, owner = Routes(), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.responses.create(model="m", input="hi", stream=True)
        owner.answer(ModelError("unavailable", "secret", retryable=retryable))
        events = [event async for event in stream]
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == code
    assert "secret" not in last.to_json()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_end_of_a_budget_is_an_answer(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An agent that is out of context, or of calls, is told so in a plain last answer, and that marks the attempt."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r", max_turns=1)
    owner.answer(ModelError("context_length", "too long", 400, retryable=False))
    texts: list[str] = []
    async with serving(routes) as server, agent(server, route) as client:
        for text in ("one", "two"):
            if stream:
                async with client.responses.stream(model="m", input=text) as events:
                    texts.append((await events.get_final_response()).output_text)
            else:
                texts.append((await client.responses.create(model="m", input=text)).output_text)
    assert "context window" in texts[0]
    assert "limit of model calls" in texts[1]
    assert route.truncated


async def test_a_script_answers(tmp_path: Path) -> None:
    """A script written for any agent drives one that speaks this dialect, by the turns of its conversation."""
    routes = Routes()
    async with (
        serving(routes) as server,
        agent(server, routes.open(listing(tmp_path, 2), rollout_id="r")) as client,
    ):
        first = await client.responses.create(model="m", input=[HI], tools=[BASH])
        ids = [item.call_id for item in first.output if item.type == "function_call"]
        results: list[ResponseInputItemParam] = [
            {"type": "function_call_output", "call_id": id, "output": "a.py"} for id in ids
        ]
        last = await client.responses.create(model="m", input=[HI, *back(first), *results], tools=[BASH])
    assert (len(set(ids)), last.output_text) == (2, "Solved.")


async def test_counting_tokens_needs_no_model() -> None:
    """A count is an estimate that grows with the text, and no call."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server, agent(server, route) as client:
        counts = [
            (await client.responses.input_tokens.count(model="m", input="x" * size)).input_tokens for size in (400, 800)
        ]
    assert counts[1] == counts[0] + 100
    assert route.counters.calls == 0


async def test_a_client_that_is_not_the_sdk() -> None:
    """Events are named twice, as clients of either way of reading them expect, and nothing follows the last."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server, httpx2.AsyncClient(base_url=server.base_url, trust_env=False) as http:
        headers = {"authorization": f"Bearer {route.key}"}
        fields = {"model": "m", "input": "hi", "stream": True}
        reply = await http.post("/v1/responses", json=fields, headers=headers)
    blocks = [block.split("\n") for block in reply.text.removesuffix("\n\n").split("\n\n")]
    for name, data in blocks:
        assert name.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]
    assert blocks[-1][0] == "event: response.completed"
