"""OpenAI Responses: items of every kind in the history, as the model reads them."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseToolSearchCall, ToolSearchToolParam

from greenroom.interception import Routes
from greenroom.interception.dialects import chat_request, responses_tools
from greenroom.interception.dialects.responses_tools import Origin
from greenroom.interception.errors import DialectError
from greenroom.messages import ChatMessage, Completion, Image, Text, Tool, ToolResult, ToolUse
from tests.interception.sdk import always
from tests.interception.sdk import openai_agent as agent
from tests.interception.talk import Fields
from tests.interception.test_chat_request import JSON
from tests.interception.test_responses_request import body, decode, user
from tests.interception.wiring import serving

SCHEMA: Fields = {"type": "object", "properties": {"q": {"type": "string"}}}
FUNCTION: Fields = {"type": "function", "name": "g", "description": "d", "parameters": SCHEMA}
SPACE: Fields = {"type": "namespace", "name": "fs", "tools": [{"type": "function", "name": "ls"}]}


def read(**item: object) -> ChatMessage:
    """What an item that stands alone is."""
    (message,) = decode(body(item)).messages
    return message


def note(text: str, role: str = "assistant") -> ChatMessage:
    """A note."""
    return ChatMessage("user" if role == "user" else "system" if role == "system" else "assistant", (Text(text),))


CALLS: list[tuple[Fields, str, Fields]] = [
    ({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"]}}, "local_shell", {"command": ["ls"]}),
    ({"type": "shell_call", "action": {"commands": ["ls"], "timeout_ms": None}}, "shell", {"commands": ["ls"]}),
    ({"type": "apply_patch_call", "operation": {"type": "x", "diff": "+1"}}, "apply_patch", {"diff": "+1"}),
    ({"type": "computer_call", "action": {"type": "click", "x": 1}}, "computer", {"x": 1}),
    ({"type": "tool_search_call", "execution": "client", "arguments": {"q": "z"}}, "tool_search", {"q": "z"}),
    ({"type": "tool_search_call", "execution": "client", "arguments": '{"q": "z"}'}, "tool_search", {"q": "z"}),
]


@pytest.mark.parametrize(("item", "name", "some"), CALLS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_agent_did_is_a_call(item: Fields, name: str, some: Fields) -> None:
    """What an agent did with a tool that the provider names keeps what was asked for."""
    (use,) = read(**item, call_id="a", id="i", status="completed").parts
    assert isinstance(use, ToolUse)
    assert (use.id, use.name) == ("a", name)
    assert some.items() <= json.loads(use.arguments).items()


SHELL = {"stdout": "out", "stderr": "err", "outcome": {"type": "exit", "exit_code": 2}}
RESULTS: list[tuple[Fields, tuple[Text | Image, ...]]] = [
    ({"type": "local_shell_call_output", "output": "out"}, (Text("out"),)),
    ({"type": "shell_call_output", "output": [SHELL]}, (Text("out"), Text("err"), Text("[exit code 2]"))),
    ({"type": "shell_call_output", "output": [{"stdout": "", "outcome": {"type": "timeout"}}]}, (Text("[timed out]"),)),
    ({"type": "shell_call_output", "output": "out"}, (Text("out"),)),
    ({"type": "apply_patch_call_output", "status": "failed", "output": "no"}, (Text("no"),)),
    ({"type": "apply_patch_call_output", "status": "completed"}, (Text("[completed]"),)),
    ({"type": "computer_call_output", "output": {"image_url": "data:,x"}}, (Image("data:,x"),)),
    ({"type": "computer_call_output", "output": {"file_id": "f"}}, (Text("[computer_screenshot]"),)),
    (
        {"type": "tool_search_output", "execution": "client", "tools": [FUNCTION, SPACE]},
        (Text("[tool_search_output: g, fs__ls]"),),
    ),
]


@pytest.mark.parametrize(("item", "parts"), RESULTS)
def test_what_came_of_it_is_a_result(item: Fields, parts: tuple[Text | Image, ...]) -> None:
    """What an agent's own tool gave back is the result of that call, be it text, a picture or a state."""
    assert read(**item, call_id="a") == ChatMessage("tool", (ToolResult("a", parts),))


NOTES: list[tuple[Fields, ChatMessage]] = [
    ({"type": "compaction", "encrypted_content": "E"}, note("[compaction]")),
    (
        {"type": "web_search_call", "action": {"type": "search", "query": "a", "queries": ["a", "b"], "sources": []}},
        note("[web_search_call]\na\na\nb"),
    ),
    ({"type": "file_search_call", "queries": ["a"], "results": [{"text": "b"}]}, note("[file_search_call]\na\nb")),
    (
        {"type": "code_interpreter_call", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
        note("[code_interpreter_call]\n1+1\n2"),
    ),
    ({"type": "image_generation_call", "result": "AAAA"}, note("[image_generation_call]")),
    (
        {"type": "mcp_call", "server_label": "s", "name": "f", "arguments": "{}", "output": "o", "error": None},
        note("[mcp_call: f]\n{}\no"),
    ),
    ({"type": "mcp_list_tools", "server_label": "s", "tools": [FUNCTION]}, note("[mcp_list_tools: s]")),
    ({"type": "mcp_approval_response", "approve": True, "reason": "ok"}, note("[mcp_approval_response]\nok", "user")),
    ({"type": "tool_search_call", "execution": "server", "arguments": {"query": "q"}}, note("[tool_search_call]\nq")),
    ({"type": "item_reference", "id": "rs_1"}, note("[item_reference: rs_1]")),
    ({"type": "smell_output", "name": "rose"}, note("[smell_output: rose]", "user")),
    ({"type": "smell", "role": "developer", "text": "sweet"}, note("[smell]\nsweet", "system")),
]


@pytest.mark.parametrize(("item", "message"), NOTES)
def test_what_the_provider_did_is_a_note(item: Fields, message: ChatMessage) -> None:
    """Items of the provider's tools, and of kinds nobody has heard of, are notes with the texts that were in them."""
    assert read(**item) == message
    assert len(decode(body(user(), item, user())).messages) == 3


@pytest.mark.parametrize(
    "head",
    [
        {"type": "additional_tools"},
        {"type": "tool_search_output"},
        {"type": "tool_search_output", "execution": "client", "call_id": "a"},
    ],
)
def test_tools_that_an_item_brings_can_be_called(head: Fields) -> None:
    """They are offered as if the request had them, once each, and calls of them find the way back to the agent."""
    custom: Fields = {"type": "custom", "name": "patch"}
    item: Fields = {**head, "role": "developer", "tools": [FUNCTION, SPACE, custom]}
    more: Fields = {**SPACE, "tools": [*SPACE["tools"], {"type": "function", "name": "rm"}]}
    call = decode(body(user(), item, {**item, "tools": [FUNCTION, more]}, tools=[FUNCTION]))
    assert [tool.name for tool in call.tools] == ["g", "fs__ls", "patch", "fs__rm"]
    assert call.tools[0] == Tool("g", "d", SCHEMA)
    origins = responses_tools.origins(call)
    assert (origins["fs__rm"], origins["patch"]) == (Origin("rm", "fs"), Origin("patch", custom=True))
    assert [tool["function"]["name"] for tool in chat_request.encode(call, "m")["tools"]] == [
        t.name for t in call.tools
    ]


@pytest.mark.anyio
@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_can_search_for_tools(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Where the agent does the search, the model is offered it, and its call is one of that kind for the agent."""
    routes = Routes()
    search: ToolSearchToolParam = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
    asks = always(Completion(parts=(ToolUse("a", "tool_search", '{"query": "mail"}'),)))
    async with serving(routes) as server, agent(server, routes.open(asks, rollout_id="r")) as client:
        if stream:
            events = [e async for e in await client.responses.create(model="m", input="x", tools=[search], stream=True)]
            (item,) = [event.item for event in events if event.type == "response.output_item.done"]
        else:
            (item,) = (await client.responses.create(model="m", input="x", tools=[search])).output
    assert isinstance(item, ResponseToolSearchCall)
    assert (item.call_id, item.execution, item.arguments) == ("a", "client", {"query": "mail"})


KINDS = [
    str(item["type"]) for item in (*(row[0] for row in CALLS), *(row[0] for row in NOTES), *(row[0] for row in RESULTS))
]


@given(st.sampled_from(KINDS), JSON)
def test_any_item_is_taken_or_refused(kind: str, value: object) -> None:
    """Whatever is in an item of whatever kind, it is a message or a refusal that names the place, never a crash."""
    names = ("id", "call_id", "action", "arguments", "output", "tools", "name", "role", "execution")
    for item in ({"type": kind, name: value, "call_id": "a", "execution": "client"} | {name: value} for name in names):
        with suppress(DialectError):
            chat_request.encode(decode(body(user(), item)), "m")
