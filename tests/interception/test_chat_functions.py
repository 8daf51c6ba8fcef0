"""OpenAI chat completions: functions from before there were tools, and tools of free text, with the real SDK."""

from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.chat_completion_message_custom_tool_call import ChatCompletionMessageCustomToolCall
from openai.types.chat.completion_create_params import Function

from greenroom.interception import Routes
from greenroom.interception.dialects import chat_request
from greenroom.interception.errors import DialectError
from greenroom.messages import ChatMessage, Completion, Text, Tool, ToolResult, ToolUse
from tests.interception.sdk import MARKS, always
from tests.interception.sdk import openai_agent as agent
from tests.interception.talk import Fields
from tests.interception.test_chat_request import decode
from tests.interception.wiring import serving

SCHEMA: Fields = {"type": "object"}
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
USES = always(Completion(parts=(ToolUse("a", "ls", '{"x": 1}'), ToolUse("b", "ls", "{}")), finish_reason="tool_calls"))
PATCHES = always(Completion(parts=(ToolUse("a", "patch", '{"input": "+x"}'), ToolUse("b", "ls", "{}"))))


def test_functions_are_tools() -> None:
    """Functions, the choice of one, their calls and what they gave back are tools, to the model and upstream."""
    call = decode(
        {
            "model": "m",
            "functions": [{"name": "ls", "description": "d", "parameters": SCHEMA}],
            "function_call": {"name": "ls"},
            "messages": [
                *HI,
                {"role": "assistant", "content": None, "function_call": {"name": "ls", "arguments": "{}"}},
                {"role": "function", "name": "ls", "content": "a"},
                {"role": "assistant", "content": None, "function_call": {"name": "ls", "arguments": "{}"}},
                {"role": "function", "name": "ls", "content": None},
                {"role": "function", "name": "other", "content": "b"},
            ],
        }
    )
    assert (call.tools, call.tool_choice) == ((Tool("ls", "d", SCHEMA),), "ls")
    assert call.messages[1:] == (
        ChatMessage("assistant", (ToolUse("call_function_0", "ls", "{}"),)),
        ChatMessage("tool", (ToolResult("call_function_0", (Text("a"),)),)),
        ChatMessage("assistant", (ToolUse("call_function_1", "ls", "{}"),)),
        ChatMessage("tool", (ToolResult("call_function_1", ()),)),
        ChatMessage("tool", (ToolResult("call_other", (Text("b"),)),)),
    )
    sent = chat_request.encode(call, "m")
    assert not {"functions", "function_call"} & set(sent)
    assert (sent["tools"][0]["function"]["name"], sent["tool_choice"]["function"]["name"]) == ("ls", "ls")
    assert [message["role"] for message in sent["messages"][1:3]] == ["assistant", "tool"]


def test_calls_of_custom_tools_in_the_history() -> None:
    """A call of a tool of free text is a call with that text as its input, and goes upstream as it came."""
    use: Fields = {"id": "a", "type": "custom", "custom": {"name": "patch", "input": 'x\n"y"'}}
    messages = [{"role": "assistant", "content": None, "tool_calls": [use]}]
    custom = {"type": "custom", "custom": {"name": "patch", "description": "d"}}
    choice = {"type": "custom", "custom": {"name": "patch"}}
    call = decode({"model": "m", "messages": messages, "tools": [custom], "tool_choice": choice})
    assert call.messages[0].parts == (ToolUse("a", "patch", '{"input": "x\\n\\"y\\""}'),)
    assert [(tool.name, tool.description, call.tool_choice) for tool in call.tools] == [("patch", "d", "patch")]
    sent = chat_request.encode(call, "m")
    assert (sent["messages"], sent["tools"], sent["tool_choice"]) == (messages, [custom], choice)


def test_arguments_that_are_an_object() -> None:
    """Arguments that an agent wrote as an object, as some servers do, are the JSON text of it."""
    use = {"id": "a", "type": "function", "function": {"name": "ls", "arguments": {"x": 1}}}
    call = decode({"model": "m", "messages": [{"role": "assistant", "tool_calls": [use]}]})
    assert call.messages[0].parts == (ToolUse("a", "ls", '{"x": 1}'),)


COMPLAINTS: list[tuple[Fields, str]] = [
    ({"functions": [{}]}, r"functions\[0\]\.name"),
    ({"functions": 3}, "functions"),
    ({"function_call": "some"}, "function_call: expected one of auto"),
    ({"messages": [{"role": "function", "content": ""}]}, r"messages\[0\]\.name"),
    ({"messages": [{"role": "assistant", "function_call": {"name": "x"}}]}, r"messages\[0\]\.function_call\.arg"),
    ({"tools": [{"type": "custom"}]}, r"tools\[0\]\.custom"),
    ({"max_tokens": 1.5}, "max_tokens: expected an integer"),
]


@pytest.mark.parametrize(("change", "place"), COMPLAINTS)
def test_a_complaint_names_the_place(change: Fields, place: str) -> None:
    """What is wrong with an old function, or a custom tool, is said with its place."""
    with pytest.raises(DialectError, match=f"^{place}"):
        decode({"model": "m", "messages": HI, **change})


class TestReplies:
    """What an agent gets that asked in one of these ways."""

    pytestmark = MARKS

    async def test_old_agents_get_a_function_call(self) -> None:
        """The first call is the reply's function call, streamed or not, and so is the reason why it ended."""
        routes = Routes()
        async with serving(routes) as server, agent(server, routes.open(USES, rollout_id="r")) as client:
            functions: list[Function] = [{"name": "ls"}]
            whole = await client.chat.completions.create(model="m", messages=HI, functions=functions)
            stream = await client.chat.completions.create(model="m", messages=HI, functions=functions, stream=True)
            chunks = [chunk.choices[0] async for chunk in stream]
        (choice,) = whole.choices
        assert choice.message.function_call is not None
        assert (choice.message.function_call.name, choice.message.function_call.arguments) == ("ls", '{"x": 1}')
        assert (choice.message.tool_calls, choice.finish_reason) == (None, "function_call")
        (called,) = [chunk.delta.function_call for chunk in chunks if chunk.delta.function_call]
        assert (called.name, called.arguments, chunks[-1].finish_reason) == ("ls", '{"x": 1}', "function_call")

    async def test_custom_tools_get_free_text(self) -> None:
        """A call of a tool of free text is one of that kind for the agent, with the text, streamed or not."""
        routes = Routes()
        tools: list[ChatCompletionToolUnionParam] = [
            {"type": "custom", "custom": {"name": "patch"}},
            {"type": "function", "function": {"name": "ls"}},
        ]
        async with serving(routes) as server, agent(server, routes.open(PATCHES, rollout_id="r")) as client:
            whole = await client.chat.completions.create(model="m", messages=HI, tools=tools)
            stream = await client.chat.completions.create(model="m", messages=HI, tools=tools, stream=True)
            pieces = [piece for chunk in [c async for c in stream] for piece in chunk.choices[0].delta.tool_calls or ()]
        custom, function = list(whole.choices[0].message.tool_calls or [])
        assert isinstance(custom, ChatCompletionMessageCustomToolCall)
        assert (custom.id, custom.custom.name, custom.custom.input, function.type) == ("a", "patch", "+x", "function")
        assert pieces[0].to_dict()["custom"] == {"name": "patch", "input": "+x"}
        assert [piece.index for piece in pieces] == [0, 1, 1]
