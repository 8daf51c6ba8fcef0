"""Anthropic Messages: the real SDK as the client of the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anthropic
import httpx2
import pytest
from anthropic.types import (
    ContentBlockParam,
    Message,
    MessageParam,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    TextBlockParam,
    ToolParam,
    ToolResultBlockParam,
)

from greenroom.interception import Limits, ModelError, Routes
from greenroom.interception.dialects.anthropic_content import UNSIGNED
from greenroom.interception.routes import Route
from greenroom.interception.server import Server
from greenroom.messages import (
    ChatMessage,
    Completion,
    ModelCall,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)
from tests.interception.sdk import MARKS, always, at_second, hook, listing, nothing
from tests.interception.talk import HELLO, Owner, quick
from tests.interception.test_upstream import upstream
from tests.interception.wiring import serving

pytestmark = MARKS

FULL = Completion(
    parts=(
        Thinking("hm", "c2ln"),
        Thinking("", "ZW5j", redacted=True),
        Text("let me see " * 1000),
        ToolUse("a", "bash", '{"command": "ls"}'),
        ToolUse("b", "bash", '{"command": "cat é"}'),
    ),
    usage=Usage(10, 20, 3),
)
HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
LS = {"name": "ls", "arguments": "{}"}
LIKELY = {"token": "x", "logprob": -0.5}
BASH: ToolParam = {"name": "bash", "description": "d", "input_schema": {"type": "object"}}


def said(message: Message) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


@asynccontextmanager
async def agent(
    server: Server, route: Route, *, retries: int = 2, timeout: float = 30, on_request: Callable[[], None] = nothing
) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    """The SDK, pointed at the server as agents are."""
    http = anthropic.DefaultAsyncHttpxClient(trust_env=False, event_hooks={"request": [hook(on_request)]})
    async with anthropic.AsyncAnthropic(
        base_url=server.base_url, api_key=route.key, max_retries=retries, timeout=timeout, http_client=http
    ) as client:
        yield client


async def test_one_piece_and_streamed_say_the_same() -> None:
    """Thinking, text, parallel tool calls, stop reason and usage are the same from a stream and in one piece."""
    routes = Routes()
    one, many = (routes.open(always(FULL), rollout_id="r") for _ in range(2))
    async with serving(routes) as server, agent(server, one) as first, agent(server, many) as second:
        whole = await first.messages.create(model="m", max_tokens=9, messages=HI)
        async with second.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
            streamed = await stream.get_final_message()
    assert streamed.to_dict() == whole.to_dict()
    assert [block.type for block in whole.content] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    assert [block.input for block in whole.content if block.type == "tool_use"] == [
        {"command": "ls"},
        {"command": "cat é"},
    ]
    assert (whole.stop_reason, whole.usage.input_tokens, whole.usage.cache_read_input_tokens) == ("tool_use", 7, 3)


async def test_a_conversation_with_tools() -> None:
    """An answer the agent sends back with its tools' results is to the model's owner what it was."""
    routes, owner = Routes(), Owner()
    system: list[TextBlockParam] = [{"type": "text", "text": "be good", "cache_control": {"type": "ephemeral"}}]
    route = routes.open(owner, rollout_id="r")
    owner.answer(FULL, HELLO)
    async with serving(routes) as server, agent(server, route) as client:
        answer = await client.messages.create(model="m", max_tokens=9, messages=HI, system=system, tools=[BASH])
        messages: list[MessageParam] = [
            *HI,
            {"role": "assistant", "content": answer.content},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "a.py"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "no such file", "is_error": True},
                ],
            },
        ]
        await client.messages.create(
            model="m", max_tokens=9, messages=messages, system=system, tools=[BASH], tool_choice={"type": "any"}
        )
    call = owner.asked[1]
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("user", (Text("hi"),)),
        ChatMessage("assistant", FULL.parts),
        ChatMessage("tool", (ToolResult("a", (Text("a.py"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("no such file"),), is_error=True),)),
    )
    assert (call.tools, call.tool_choice) == ((Tool("bash", "d", {"type": "object"}),), "required")
    assert call.sampling == Sampling(max_tokens=9)


async def test_thinking_nobody_signed() -> None:
    """Thinking without a signature has one for the agent, and none again for the model's owner."""
    routes, owner = Routes(), Owner()
    owner.answer(Completion(parts=(Thinking("hm"), Text("yes"))), HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        answer = await client.messages.create(model="m", max_tokens=9, messages=HI)
        assert [block.signature for block in answer.content if block.type == "thinking"] == [UNSIGNED]
        back: list[MessageParam] = [*HI, {"role": "assistant", "content": answer.content}, *HI]
        await client.messages.create(model="m", max_tokens=9, messages=back)
    assert owner.asked[1].messages[1] == ChatMessage("assistant", (Thinking("hm"), Text("yes")))


async def test_events_flow_before_the_answer() -> None:
    """The SDK hands events on while the model's owner still thinks, and the answer is whole all the same."""
    routes, owner = Routes(Limits(keepalive=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.messages.create(model="m", max_tokens=9, messages=HI, stream=True)
        assert isinstance(await anext(stream), RawMessageStartEvent)
        assert isinstance(await anext(stream), RawMessageDeltaEvent)
        assert owner.answers == []
        owner.answer(FULL)
        assert [event async for event in stream][-1].type == "message_stop"
        owner.answer(FULL)
        async with client.messages.stream(model="m", max_tokens=9, messages=HI) as again:
            assert (await again.get_final_message()).stop_reason == "tool_use"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_timeout_and_its_retry_are_one_call(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An SDK that loses patience and asks again gets the answer to its first request."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route, again = routes.open(owner, rollout_id="r"), at_second(partial(owner.answer, FULL))
    async with serving(routes) as server, agent(server, route, timeout=0.3, on_request=again) as client:
        if stream:
            with pytest.raises(httpx2.ReadTimeout):
                async with client.messages.stream(model="m", max_tokens=9, messages=HI) as events:
                    await events.get_final_message()
        answer = await client.messages.create(model="m", max_tokens=9, messages=HI)
    assert answer.content[-1].type == "tool_use"
    assert (len(owner.asked), route.counters.calls) == (1, 1)


async def test_a_stream_that_is_dropped_and_asked_for_in_one_piece() -> None:
    """The fallback of agents that lose a stream, the same request without one, is still the first call."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as server, agent(server, route) as client:
        stream = await client.messages.create(model="m", max_tokens=9, messages=HI, stream=True)
        await owner.was_asked()
        await stream.close()
        owner.answer()
        assert (await client.messages.create(model="m", max_tokens=9, messages=HI)).stop_reason == "end_turn"
    assert len(owner.asked) == 1


async def test_a_cancelled_stream_cancels_its_answer() -> None:
    """When the agent closes its stream and does not come back, the owner's work is cancelled."""
    routes, owner = Routes(Limits(grace=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        async with client.messages.stream(model="m", max_tokens=9, messages=HI):
            await owner.was_asked()
        await asyncio.wait_for(owner.was_cancelled(), 10)


async def test_passing_failures_are_retried() -> None:
    """The SDK tries again after a passing failure, and its retries are one call."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(ModelError("unavailable", "secret"), HELLO)
    async with serving(routes) as server, agent(server, route) as client:
        assert (await client.messages.create(model="m", max_tokens=9, messages=HI)).stop_reason == "end_turn"
    assert (route.counters.calls, route.counters.restarted) == (1, 1)


async def test_lasting_failures_are_not() -> None:
    """The SDK gives up at once when the model cannot answer, or the request makes no sense, and learns nothing more."""
    routes, owner = Routes(), Owner()
    owner.answer(ModelError("rejected", "secret", retryable=False))
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        with pytest.raises(anthropic.BadRequestError) as lasting:
            await client.messages.create(model="m", max_tokens=9, messages=HI)
        with pytest.raises(anthropic.BadRequestError, match=r"stop_sequences\[0\]"):
            await client.messages.create(model="m", max_tokens=9, messages=HI, extra_body={"stop_sequences": [1]})
    assert len(owner.asked) == 1
    assert lasting.value.type == "invalid_request_error"
    assert "secret" not in str(lasting.value)


async def test_a_wrong_key() -> None:
    """A key that is none is an authentication error, for every kind of request."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server, agent(server, route) as client:
        stranger = client.with_options(api_key="nope")
        with pytest.raises(anthropic.AuthenticationError) as error:
            await stranger.messages.create(model="m", max_tokens=9, messages=HI)
        with pytest.raises(anthropic.AuthenticationError):
            await stranger.messages.count_tokens(model="m", messages=HI)
        with pytest.raises(anthropic.AuthenticationError):
            await stranger.models.list()
    assert error.value.type == "authentication_error"


async def test_an_unknown_path() -> None:
    """What the server does not have is not found, in the words of whoever asks."""
    routes = Routes()
    async with serving(routes) as server, agent(server, routes.open(quick, rollout_id="r")) as client:
        with pytest.raises(anthropic.NotFoundError) as error:
            await client.messages.batches.list()
    assert error.value.type == "not_found_error"


@pytest.mark.parametrize(("retryable", "kind"), [(True, "overloaded_error"), (False, "invalid_request_error")])
async def test_a_failure_within_a_stream(retryable: bool, kind: str) -> None:  # noqa: FBT001 - a parameter
    """A failure after the stream has begun is raised from it, and says whether it may pass."""
    routes, owner = Routes(), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        stream = await client.messages.create(model="m", max_tokens=9, messages=HI, stream=True)
        owner.answer(ModelError("unavailable", "secret", retryable=retryable))
        with pytest.raises(anthropic.APIStatusError) as error:
            _ = [event async for event in stream]
    assert error.value.type == kind


async def test_the_end_of_a_budget_is_an_answer() -> None:
    """An agent that is out of calls, or of context, is told so in a plain last answer."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r", max_turns=1)
    owner.answer(ModelError("context_length", "too long", 400, retryable=False))
    async with serving(routes) as server, agent(server, route) as client:
        first = await client.messages.create(model="m", max_tokens=9, messages=HI)
        last = await client.messages.create(model="m", max_tokens=9, messages=[*HI, *HI])
    assert "context window" in said(first)
    assert "limit of model calls" in said(last)
    assert (first.stop_reason, last.stop_reason, route.truncated) == ("end_turn", "end_turn", True)


async def test_an_openai_compatible_server_answers() -> None:
    """A server that speaks chat completions alone answers an agent that does not, exact tokens included."""
    message = {"content": "hi", "reasoning_content": "hm", "tool_calls": [{"id": "a", "function": LS}]}
    choice = {"message": message, "finish_reason": "tool_calls", "token_ids": [4], "logprobs": {"content": [LIKELY]}}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}
    answers: list[Completion] = []
    async with upstream() as (fake, model):

        async def ask(call: ModelCall) -> Completion:
            answers.append(await model(call))
            return answers[-1]

        fake.todo.append(json.dumps({"choices": [choice], "usage": usage, "prompt_token_ids": [1, 2, 3]}).encode())
        routes = Routes()
        async with serving(routes) as server, agent(server, routes.open(ask, rollout_id="r")) as client:
            answer = await client.messages.create(model="m", max_tokens=9, messages=HI, system="be good")
    assert [block.type for block in answer.content] == ["thinking", "text", "tool_use"]
    assert (answer.stop_reason, answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == ("tool_use", 1, 2)
    assert [message["role"] for message in fake.seen[0]["messages"]] == ["system", "user"]
    assert (answers[0].prompt_token_ids, answers[0].completion_token_ids, answers[0].logprobs) == (
        (1, 2, 3),
        (4,),
        (-0.5,),
    )


async def test_a_script_answers(tmp_path: Path) -> None:
    """A script written for any agent drives one that speaks this dialect, by the turns of its conversation."""
    routes = Routes()
    route = routes.open(listing(tmp_path), rollout_id="r")
    async with serving(routes) as server, agent(server, route) as client:
        first = await client.messages.create(model="m", max_tokens=9, messages=HI, tools=[BASH])
        use = next(block for block in first.content if block.type == "tool_use")
        result: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": use.id, "content": "a.py"}
        messages: list[MessageParam] = [
            *HI,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        last = await client.messages.create(model="m", max_tokens=9, messages=messages, tools=[BASH])
    assert (use.input, said(last)) == ({"command": "ls"}, "Solved.")


async def test_the_list_of_models() -> None:
    """The one model there is can be listed and looked up, in the shape of this dialect."""
    routes = Routes()
    async with serving(routes) as server, agent(server, routes.open(quick, rollout_id="r", model="qwen")) as client:
        assert [model.id async for model in client.models.list()] == ["qwen"]
        assert (await client.models.retrieve("qwen")).display_name == "qwen"


async def test_counting_tokens_needs_no_model() -> None:
    """A count is an estimate that grows with text, tools and images, not with how an image is written, and no call."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")

    async def count(*content: ContentBlockParam, tools: Sequence[ToolParam] = ()) -> int:
        messages: list[MessageParam] = [{"role": "user", "content": [{"type": "text", "text": "x" * 400}, *content]}]
        return (await client.messages.count_tokens(model="m", messages=messages, tools=tools)).input_tokens

    def image(data: str) -> ContentBlockParam:
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    async with serving(routes) as server, agent(server, route) as client:
        text = await count()
        assert 100 <= text <= 110
        assert await count({"type": "text", "text": "x" * 400}) == text + 100
        assert await count(image("AAAA")) == await count(image("A" * 100_000)) > text + 1000
        assert await count(tools=[BASH]) > text
        assert await count({"type": "tool_result", "tool_use_id": "a", "content": "x" * 400}) >= text + 100
        with pytest.raises(anthropic.BadRequestError, match="messages"):
            await client.messages.count_tokens(model="m", messages=[])
    assert (owner.asked, route.counters.calls) == ([], 0)
