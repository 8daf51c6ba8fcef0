"""What agents really send: a request is taken as it is found, and what it asks for reaches the model's server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenroom.interception import Routes
from greenroom.messages import ChatMessage, ModelCall, Text
from tests.interception.dialogue import ask
from tests.interception.talk import Fields, quick, serving
from tests.interception.test_upstream import upstream

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

SCHEMA: Fields = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
USER: Fields = {"role": "user", "content": "hi"}


async def reaches_the_server(dialect: str, body: Fields) -> dict[str, Any]:
    """What a server of chat completions gets of an agent's request."""
    routes = Routes()
    async with upstream(token_ids=False) as (fake, model), serving(routes) as endpoint:
        route = routes.open(model, rollout_id="r")
        response = await endpoint.handle(ask(dialect, route.key, body=json.dumps(body).encode()))
        assert response.status == 200, await response.read()
    return fake.seen[-1]


async def taken(*requests: tuple[str, Fields]) -> tuple[list[ModelCall], list[Fields]]:
    """The calls that one attempt's requests become, and the replies."""
    routes, calls, replies = Routes(), list[ModelCall](), list[Fields]()

    async def model(call: ModelCall) -> object:
        calls.append(call)
        return await quick(call)

    async with serving(routes) as endpoint:
        route = routes.open(model, rollout_id="r")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for dialect, body in requests:
            fields = {name: replies[-1]["id"] if item == "the last one" else item for name, item in body.items()}
            response = await endpoint.handle(ask(dialect, route.key, body=json.dumps(fields).encode()))
            replies.append(json.loads(await response.read()))
    return calls, replies


# NVIDIA-NeMo/Switchyard 452: a proxy answered /v1/messages with 200 and sent on nothing of output_format, so agents got
# prose. Wei-Shaw/sub2api 4940: the same between chat completions and Gemini; no health check could notice it.
# router-for-me/CLIProxyAPI 3721: text.format of Responses was lost on its way to Gemini.
@pytest.mark.parametrize(
    ("dialect", "asks"),
    [
        ("responses", {"input": "hi", "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}}),
        ("anthropic", {"messages": [USER], "output_format": {"type": "json_schema", "schema": SCHEMA}}),
        ("anthropic", {"messages": [USER], "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        (
            "google",
            {
                "contents": [{"parts": [{"text": "hi"}]}],
                "generation_config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
            },
        ),
    ],
)
async def test_a_schema_for_the_answer_reaches_the_server(dialect: str, asks: Fields) -> None:
    """The schema of the answer, whichever dialect asks for it, is the server's response format."""
    sent = await reaches_the_server(dialect, {"model": "m", "max_tokens": 9, **asks})
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA


# CommandCodeAI/command-code 893: codex keeps what it searched for among its tools in the history, and a server that did
# not know these items answered 400 to every request after it. openai/codex 7073: an item of a web search ended a
# session in the same way.
async def test_items_of_a_new_kind_do_not_end_an_agent() -> None:
    """The history of codex is taken with all its items, and a tool that was found can be called."""
    tool: Fields = {"type": "function", "name": "mail", "parameters": {"type": "object"}}
    items: list[Fields] = [
        USER,
        {"type": "tool_search_call", "call_id": "a", "execution": "client", "arguments": {"query": "mail"}},
        {"type": "tool_search_output", "call_id": "a", "execution": "client", "tools": [tool]},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "other"}},
        {"type": "not_yet_invented", "id": "n"},
    ]
    sent = await reaches_the_server("responses", {"model": "m", "input": items})
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == "tool_search"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["mail"]


# maximhq/bifrost 2441 and lmstudio-ai/lmstudio-bug-tracker 1188: the second message of a session named the first
# response, which the server in between had not kept, and the session ended.
async def test_the_second_message_of_a_session() -> None:
    """A request that names the response before it goes on from there; a response of nobody's is refused by its code."""
    first = ("responses", {"model": "m", "input": "what day is it"})
    second = ("responses", {"model": "m", "input": "and tomorrow", "previous_response_id": "the last one"})
    stray = ("responses", {"model": "m", "input": "hi", "previous_response_id": "resp_0f09"})
    calls, replies = await taken(first, second, stray)
    assert calls[1].messages == (
        ChatMessage("user", (Text("what day is it"),)),
        ChatMessage("assistant", (Text("answer 0"),)),
        ChatMessage("user", (Text("and tomorrow"),)),
    )
    assert len(calls) == 2
    assert replies[2]["error"]["code"] == "previous_response_not_found"


# BerriAI/litellm 1854: a library that shrinks max_tokens to what is left of the context sends it as a float.
async def test_whole_numbers_with_a_point() -> None:
    """A whole number may be written as a float, in every dialect, and reaches the server as an integer."""
    asks: list[tuple[str, Fields]] = [
        ("chat", {"messages": [USER], "max_tokens": 100.0}),
        ("responses", {"input": "hi", "max_output_tokens": 100.0}),
        ("anthropic", {"messages": [USER], "max_tokens": 100.0}),
        ("google", {"contents": {"parts": {"text": "hi"}}, "generationConfig": {"maxOutputTokens": 100.0}}),
    ]
    for dialect, body in asks:
        sent = await reaches_the_server(dialect, {"model": "m", **body})
        assert repr(sent["max_tokens"]) == "100"
