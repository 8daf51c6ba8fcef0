"""Fields that greenroom has no word for, on their way from an agent to a server that has, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from greenroom.interception import Routes, model_for
from greenroom.interception.dialects import chat_answer, chat_request
from greenroom.interception.flow import Passed
from greenroom.interception.passage import Passage
from greenroom.interception.valve import Valve
from greenroom.messages import Completion, Text
from greenroom.specs import BlackBox, Upstream
from tests.interception.dialogue import NAMES, ask, fields
from tests.interception.talk import HELLO, Fields, Owner, events, serving
from tests.interception.test_chat_request import decode
from tests.interception.test_provider import provider

pytestmark = pytest.mark.anyio

CACHE = {"cache_control": {"type": "ephemeral"}}
SIGNED = {"extra_content": {"google": {"thought_signature": "abc"}}}
CALLED: Fields = {
    "id": "a",
    "type": "function",
    "function": {"name": "ls", "arguments": "{}", "strict": True},
    **SIGNED,
}
REQUEST: Fields = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": [{"type": "text", "text": "be good", **CACHE}], "name": "d"},
        {
            "role": "user",
            "content": [{"type": "video_url", "video_url": {"url": "http://v"}}, {"type": "text", "text": "?"}],
        },
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x", "format": "png"}}]},
        {"role": "assistant", "content": None, "annotations": [1], "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "out", **CACHE}]},
    ],
    "tools": [
        {"type": "custom", "custom": {"name": "patch"}},
        {"type": "function", "function": {"name": "ls", "x": 1}},
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    "chat_template_kwargs": {"enable_thinking": False},
    "max_completion_tokens": 9,
}
REPLY: Fields = {
    "choices": [
        {
            "message": {
                "role": "assistant",
                "content": "hi",
                "refusal": None,
                "annotations": [{"type": "url_citation"}],
                "reasoning_details": [{"data": "x"}],
                "tool_calls": [CALLED],
            },
            "finish_reason": "tool_calls",
            "token_ids": [4],
            "logprobs": {"content": [{"logprob": -0.5}]},
            "routed_experts": [[[1, 2]]],
        }
    ],
    "prompt_token_ids": [1],
}


def test_a_request_is_written_as_it_was_read() -> None:
    """An upstream of chat completions gets every field of body, messages, parts, calls and tools as they came."""
    sent = chat_request.encode(decode(REQUEST), "m")
    tools = sent.pop("tools")
    assert sent == {name: item for name, item in REQUEST.items() if name != "tools"}
    assert tools[0] == REQUEST["tools"][0]
    assert tools[1]["function"] == {"name": "ls", "x": 1, "description": "", "parameters": {}}


def test_what_the_rest_reads_instead() -> None:
    """Whoever reads the call in neutral words finds notes in place of parts that have none."""
    call = decode(REQUEST)
    assert call.messages[1].parts == (Text("[video_url]"), Text("?"))
    assert (call.messages[0].role, call.tool_choice) == ("system", None)


def test_which_experts_is_kept_for_training() -> None:
    """What a server tells of the routing of tokens is taken, wherever it stands, and otherwise there is none."""
    for place in (REPLY, {**REPLY, "routing_matrices": ["AAA="]}):
        assert chat_answer.decode(json.dumps(place).encode()).routing == [[[1, 2]]]
    choice = {name: item for name, item in REPLY["choices"][0].items() if name != "routed_experts"}
    only_root = {"choices": [choice], "routing_matrices": ["AAA="]}
    assert chat_answer.decode(json.dumps(only_root).encode()).routing == ["AAA="]
    assert chat_answer.decode(json.dumps({"choices": [choice]}).encode()).routing is None


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_has_what_the_server_said(stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An agent of chat completions gets fields of message and calls that only it knows, and nothing of the owner's."""
    routes, owner = Routes(), Owner()
    owner.answer(chat_answer.decode(json.dumps(REPLY).encode()))
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        said = await (await endpoint.handle(ask("chat", route.key, stream=stream))).read()
    message = streamed(said) if stream else _message(said)
    assert (message["reasoning_details"], message["annotations"]) == ([{"data": "x"}], [{"type": "url_citation"}])
    (call,) = message["tool_calls"]
    assert (call["extra_content"], call["function"]["strict"]) == (SIGNED["extra_content"], True)
    for secret in (b"token_ids", b"routed", b'logprob"'):
        assert secret not in said


def streamed(said: bytes) -> dict[str, Any]:
    """What the chunks of a stream say, of each name the first that says something."""
    message: dict[str, Any] = {}
    for event in events(said)[:-1]:
        for choice in json.loads(event)["choices"]:
            message |= {name: item for name, item in choice["delta"].items() if not message.get(name)}
    return message


def _message(said: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(said)["choices"][0]["message"]
    return message


@pytest.mark.parametrize("name", [name for name in NAMES if name != "chat"])
async def test_agents_of_other_dialects_get_none_of_it(name: str) -> None:
    """What only chat completions know is not told to agents that speak otherwise."""
    routes, owner = Routes(), Owner()
    owner.answer(chat_answer.decode(json.dumps(REPLY).encode()))
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        said = await (await endpoint.handle(ask(name, route.key))).read()
    assert b"url_citation" not in said
    assert b"hi" in said


WRONG: list[dict[str, Any]] = [
    {"routing": object()},
    {"extra": {"message": 3}},
    {"extra": {"message": {"x": object()}}},
    {"extra": {"tool_calls": {"a": 1}}},
    {"extra": {"tool_calls": {"a": {"function": 1}}}},
    {"extra": {"other": {}}},
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_cannot_be_sent_is_the_model_s_fault(wrong: dict[str, Any]) -> None:
    """A completion with something that is no JSON fails its call and no other."""
    routes, owner = Routes(), Owner()
    owner.answer(Completion(parts=(Text("x"),), **wrong), HELLO)
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        response = await endpoint.handle(ask("chat", route.key))
        assert response.status == 500
        assert (await endpoint.handle(ask("chat", route.key, "again"))).status == 200


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_there_and_back_over_chat_completions() -> None:
    """Through an `Upstream` the server gets the agent's unknown fields and the agent the server's."""
    seen: list[dict[str, Any]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(json.loads(await request.read()))
        return web.json_response(REPLY)

    routes = Routes()
    async with provider(answer) as url, serving(routes) as endpoint:
        model = model_for(Upstream(f"{url}/v1", model="theirs"))
        route = routes.open(model, rollout_id="r")
        sent = ask("chat", route.key, body=json.dumps(REQUEST).encode())
        message = _message(await (await endpoint.handle(sent)).read())
        await model.close()
    assert seen[0]["messages"] == REQUEST["messages"]
    assert seen[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert (seen[0]["model"], seen[0]["return_token_ids"]) == ("theirs", True)
    assert message["reasoning_details"] == [{"data": "x"}]


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("name", NAMES)
async def test_there_and_back_over_any_dialect(name: str) -> None:
    """Through a `BlackBox` bodies go both ways byte by byte, in every dialect, whatever is in them."""
    seen: list[bytes] = []
    reply = json.dumps({"vendor": {"deep": [1, None]}, **REPLY}).encode()

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(await request.read())
        return web.Response(body=reply, content_type="application/json")

    routes, recorded, valve = Routes(), list[Passed](), Valve()
    async with provider(answer) as url, serving(routes) as endpoint:
        model: Any = model_for(BlackBox(base_url=url))
        route = routes.open(Owner(), rollout_id="r", passage=Passage(model, recorded.append, valve.passed, None))
        body = json.dumps({**fields(name), "vendor": {"deep": [1, None]}}, indent=1).encode()
        response = await endpoint.handle(ask(name, route.key, body=body))
        assert (seen, await response.read()) == ([body], reply)
        await model.close()
