"""OpenAI chat completions: the real SDK as the client of the real server."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import openai
import pytest
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionUserMessageParam,
)

from greenroom.interception import Limits, ModelError, Routes
from greenroom.messages import (
    ChatMessage,
    Completion,
    Image,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)
from tests.interception.sdk import MARKS, always, at_second
from tests.interception.sdk import openai_agent as agent
from tests.interception.talk import HELLO, Owner, quick
from tests.interception.wiring import serving

pytestmark = MARKS

FULL = Completion(
    parts=(
        Thinking("hm"),
        Text("let me see " * 1000),
        ToolUse("a", "bash", '{"command": "ls"}'),
        ToolUse("b", "bash", '{"command": "cat é"}'),
    ),
    usage=Usage(10, 20),
)
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
BASH: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "bash", "description": "d", "parameters": {"type": "object"}},
}


async def test_one_piece_and_streamed_say_the_same() -> None:
    """Reasoning, text, parallel tool calls, finish reason and usage are the same from a stream and in one piece."""
    routes = Routes()
    one, many = (routes.open(always(FULL), rollout_id="r") for _ in range(2))
    async with serving(routes) as server, agent(server, one) as first, agent(server, many) as second:
        whole = await first.chat.completions.create(model="m", messages=HI)
        async with second.chat.completions.stream(
            model="m", messages=HI, stream_options={"include_usage": True}
        ) as stream:
            streamed = await stream.get_final_completion()
    message, again = whole.choices[0].message, streamed.choices[0].message
    assert again.content == message.content == "let me see " * 1000
    assert message.tool_calls is not None
    assert again.tool_calls is not None
    calls = [use.function for use in message.tool_calls if use.type == "function"]
    assert [(call.name, call.arguments) for call in calls] == [
        ("bash", '{"command": "ls"}'),
        ("bash", '{"command": "cat é"}'),
    ]
    assert [use.function.arguments for use in again.tool_calls] == [call.arguments for call in calls]
    assert (message.model_extra, whole.choices[0].finish_reason) == ({"reasoning_content": "hm"}, "tool_calls")
    assert (again.model_extra or {})["reasoning_content"] == "hm"
    assert whole.usage is not None
    assert (streamed.usage, whole.usage.total_tokens) == (whole.usage, 30)


async def test_a_conversation_with_tools() -> None:
    """An answer the agent sends back with its tools' results is to the model's owner what it was."""
    routes, owner = Routes(), Owner()
    owner.answer(FULL, HELLO)
    user: ChatCompletionUserMessageParam = {
        "role": "user",
        "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,x"}}],
    }
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        answer = await client.chat.completions.create(model="m", messages=[user], tools=[BASH], max_tokens=9)
        back = cast("ChatCompletionMessageParam", answer.choices[0].message.to_dict())
        messages: list[ChatCompletionMessageParam] = [
            {"role": "developer", "content": "be good"},
            user,
            back,
            {"role": "tool", "tool_call_id": "a", "content": "a.py"},
            {"role": "tool", "tool_call_id": "b", "content": "no such file"},
        ]
        await client.chat.completions.create(
            model="m", messages=messages, tools=[BASH], max_tokens=9, tool_choice="required"
        )
    call = owner.asked[1]
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("user", (Text("hi"), Image("data:,x"))),
        ChatMessage("assistant", FULL.parts),
        ChatMessage("tool", (ToolResult("a", (Text("a.py"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("no such file"),)),)),
    )
    assert (call.tools, call.tool_choice) == ((Tool("bash", "d", {"type": "object"}),), "required")
    assert call.sampling == Sampling(max_tokens=9)


async def test_events_flow_before_the_answer() -> None:
    """The SDK has the first chunk while the model's owner still thinks, and takes no keep-alive for another one."""
    routes, owner = Routes(Limits(keepalive=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        assert (await anext(stream)).choices[0].delta.role == "assistant"
        following = asyncio.ensure_future(anext(stream))
        await asyncio.wait({following}, timeout=0.1)
        assert not following.done()
        owner.answer()
        assert (await following).choices[0].delta.content == "hello"
        assert [chunk.choices[0].finish_reason async for chunk in stream] == ["stop"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_timeout_and_its_retry_are_one_call(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An SDK that loses patience and asks again gets the answer to its first request."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route, again = routes.open(owner, rollout_id="r"), at_second(partial(owner.answer, FULL))
    async with serving(routes) as server, agent(server, route, timeout=0.3, on_request=again) as client:
        if stream:
            with pytest.raises(openai.APITimeoutError):
                async for _ in await client.chat.completions.create(model="m", messages=HI, stream=True):
                    pass
        answer = await client.chat.completions.create(model="m", messages=HI)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (len(owner.asked), route.counters.calls) == (1, 1)


async def test_a_cancelled_stream_cancels_its_answer() -> None:
    """When the agent closes its stream and does not come back, the owner's work is cancelled."""
    routes, owner = Routes(Limits(grace=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        async with client.chat.completions.stream(model="m", messages=HI):
            await owner.was_asked()
        await asyncio.wait_for(owner.was_cancelled(), 10)


async def test_passing_failures_are_retried() -> None:
    """The SDK tries again after a passing failure, and its retries are one call."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(ModelError("unavailable", "secret"), HELLO)
    async with serving(routes) as server, agent(server, route) as client:
        answer = await client.chat.completions.create(model="m", messages=HI)
    assert answer.choices[0].message.content == "hello"
    assert (route.counters.calls, route.counters.restarted) == (1, 1)


async def test_lasting_failures_are_not() -> None:
    """The SDK gives up at once when the model cannot answer or the request makes no sense, and learns nothing more."""
    routes, owner = Routes(), Owner()
    owner.answer(ModelError("rejected", "secret", retryable=False))
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        with pytest.raises(openai.BadRequestError) as lasting:
            await client.chat.completions.create(model="m", messages=HI)
        with pytest.raises(openai.BadRequestError, match="n: expected 1 or more"):
            await client.chat.completions.create(model="m", messages=HI, n=0)
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="nope").chat.completions.create(model="m", messages=HI)
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="m", input="x")
    assert len(owner.asked) == 1
    assert lasting.value.type == "invalid_request_error"
    assert "secret" not in str(lasting.value)


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_failure_within_a_stream(retryable: bool) -> None:  # noqa: FBT001 - a parameter
    """A failure after the stream has begun is raised from it, and says by its words whether it may pass."""
    routes, owner = Routes(), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
        owner.answer(ModelError("unavailable", "secret", retryable=retryable))
        with pytest.raises(openai.APIError) as error:
            _ = [chunk async for chunk in stream]
    assert ("retry" in error.value.message) is retryable
    assert "secret" not in str(error.value)


async def test_the_end_of_a_budget_is_an_answer() -> None:
    """An agent that is out of context, or of calls, is told so in a plain last answer, and that marks the attempt."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r", max_turns=1)
    owner.answer(ModelError("context_length", "too long", 400, retryable=False))
    async with serving(routes) as server, agent(server, route) as client:
        first = await client.chat.completions.create(model="m", messages=HI)
        last = await client.chat.completions.create(model="m", messages=[*HI, *HI])
    assert "context window" in str(first.choices[0].message.content)
    assert "limit of model calls" in str(last.choices[0].message.content)
    assert (last.choices[0].finish_reason, route.truncated) == ("stop", True)


async def test_the_list_of_models() -> None:
    """The one model there is can be listed and looked up."""
    routes = Routes()
    async with serving(routes) as server, agent(server, routes.open(quick, rollout_id="r", model="qwen")) as client:
        assert [model.id async for model in client.models.list()] == ["qwen"]
        assert (await client.models.retrieve("qwen")).id == "qwen"
