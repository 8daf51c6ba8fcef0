"""OpenAI Responses: what an agent refers to instead of repeating it, with the real SDK as the client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.responses import FunctionToolParam, Response

from greenroom.interception import Limits, Routes
from greenroom.messages import ChatMessage, Completion, Text, Thinking, ToolResult, ToolUse
from tests.interception.sdk import MARKS, always
from tests.interception.sdk import openai_agent as agent
from tests.interception.talk import HELLO, Owner, request
from tests.interception.talk import serving as in_memory
from tests.interception.wiring import serving

pytestmark = MARKS

USER = ChatMessage("user", (Text("hi"),))
ASSISTANT = ChatMessage("assistant", (Text("hello"),))
BASH: FunctionToolParam = {"type": "function", "name": "bash", "parameters": {"type": "object"}, "strict": False}
CALLS = Completion(parts=(Thinking("hm", "enc"), ToolUse("a", "bash", "{}")))


async def last(stream: AsyncIterator[object]) -> Response:
    """The response that a stream ends with."""
    *_, event = [event async for event in stream]
    response = getattr(event, "response", None)
    assert isinstance(response, Response)
    return response


async def test_a_response_is_gone_on_from() -> None:
    """A request goes on from an earlier response, streamed or not, and from whichever of them it names."""
    routes, owner = Routes(), Owner()
    owner.answer(HELLO, HELLO, HELLO, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        first = await client.responses.create(model="m", input="hi")
        second = await client.responses.create(model="m", input="hi", previous_response_id=first.id, stream=True)
        third = await client.responses.create(model="m", input="hi", previous_response_id=(await last(second)).id)
        await client.responses.create(model="m", input="other", previous_response_id=first.id)
    assert third.previous_response_id is not None
    assert [call.messages for call in owner.asked] == [
        (USER,),
        (USER, ASSISTANT, USER),
        (USER, ASSISTANT, USER, ASSISTANT, USER),
        (USER, ASSISTANT, ChatMessage("user", (Text("other"),))),
    ]


async def test_results_of_tools_go_on_from_their_calls() -> None:
    """Reasoning and calls of the earlier response come back, and the result stands behind them."""
    routes, owner = Routes(), Owner()
    owner.answer(CALLS, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        first = await client.responses.create(model="m", input="hi", tools=[BASH])
        result = {"type": "function_call_output", "call_id": "a", "output": "out"}
        await client.responses.create(model="m", input=[result], previous_response_id=first.id, tools=[BASH])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    assert owner.asked[1].messages == (
        USER,
        ChatMessage("assistant", CALLS.parts),
        ChatMessage("tool", (ToolResult("a", (Text("out"),)),)),
    )


async def test_instructions_are_those_of_one_request() -> None:
    """The instructions of an earlier request are not carried on; those of the new one come first."""
    routes, owner = Routes(), Owner()
    owner.answer(HELLO, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        first = await client.responses.create(model="m", input="hi", instructions="old")
        await client.responses.create(model="m", input="hi", instructions="new", previous_response_id=first.id)
    assert owner.asked[1].messages == (ChatMessage("system", (Text("new"),)), USER, ASSISTANT, USER)


async def test_what_is_not_known_is_not_found() -> None:
    """Another attempt's response, one that was not to be stored and one that is forgotten are refused by code."""
    routes = Routes(Limits(memory=2_000))
    ours, theirs = (routes.open(always(HELLO), rollout_id=name) for name in "rs")
    async with serving(routes) as server, agent(server, ours) as client, agent(server, theirs) as other:
        foreign = await other.responses.create(model="m", input="hi")
        dropped = await client.responses.create(model="m", input="hi", store=False)
        forgotten = await client.responses.create(model="m", input="hi")
        await client.responses.create(model="m", input="x" * 1_400)
        for response in (foreign, dropped, forgotten):
            with pytest.raises(openai.BadRequestError, match="previous_response_id: not found") as caught:
                await client.responses.create(model="m", input="hi", previous_response_id=response.id)
            assert caught.value.code == "previous_response_not_found"
        with pytest.raises(openai.NotFoundError, match="conversation: not found"):
            await client.responses.create(model="m", input="hi", conversation="conv_1")


async def test_a_conversation_goes_on_by_itself() -> None:
    """A conversation that the agent opened holds its items, and then every request and answer."""
    routes, owner = Routes(), Owner()
    owner.answer(HELLO, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        conversation = await client.conversations.create(items=[{"role": "user", "content": "hi"}])
        for how in (conversation.id, {"id": conversation.id}):
            await client.responses.create(model="m", input="hi", conversation=how, instructions="be")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    system = ChatMessage("system", (Text("be"),))
    assert [call.messages for call in owner.asked] == [
        (system, USER, USER),
        (system, USER, USER, ASSISTANT, USER),
    ]


async def test_a_retry_in_a_conversation_is_the_same_call() -> None:
    """A request that comes again, though its answer was sent, gets that answer: the conversation went on only once."""
    routes, owner = Routes(), Owner()
    owner.answer(HELLO, HELLO)
    route = routes.open(owner, rollout_id="r")
    async with in_memory(routes) as endpoint:
        opened = await endpoint.handle(request(route.key, {}, "/v1/conversations"))
        body = {"model": "m", "input": "hi", "conversation": json.loads(await opened.read())["id"]}
        first = await endpoint.handle(request(route.key, body, "/v1/responses"))
        again = await endpoint.handle(request(route.key, body, "/v1/responses", x_stainless_retry_count="1"))
        assert await first.read() == await again.read()
    assert (route.counters.calls, route.counters.replayed) == (1, 1)


async def test_an_item_is_referred_to() -> None:
    """A reference stands for the item that the model said; one to anything else is a note that it was there."""
    routes, owner = Routes(), Owner()
    owner.answer(CALLS, HELLO)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r")) as client:
        first = await client.responses.create(model="m", input="hi", tools=[BASH])
        items = [{"type": "item_reference", "id": item.id} for item in first.output] + [{"id": "msg_foreign"}]
        await client.responses.create(model="m", input=[*items, {"role": "user", "content": "hi"}])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    assert owner.asked[1].messages == (
        ChatMessage("assistant", (*CALLS.parts, Text("[item_reference: msg_foreign]"))),
        USER,
    )


async def test_a_response_in_the_background_is_there_at_once() -> None:
    """An agent that would ask again for its answer has it in the first reply."""
    routes = Routes()
    async with serving(routes) as server, agent(server, routes.open(always(HELLO), rollout_id="r")) as client:
        response = await client.responses.create(model="m", input="hi", background=True)
    assert (response.status, response.output_text) == ("completed", "hello")
