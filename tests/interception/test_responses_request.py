"""OpenAI Responses: what an agent sends becomes neutral words, for every owner of a model alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import chat_request, responses_request, responses_tools
from greenroom.interception.dialects.responses_input import UNSIGNED
from greenroom.interception.dialects.responses_tools import Origin
from greenroom.interception.dialects.value import MAX_DEPTH
from greenroom.interception.errors import DialectError
from greenroom.interception.memory import Memory
from greenroom.interception.session import fingerprint
from greenroom.messages import ChatMessage, Image, ModelCall, Part, Sampling, Text, Thinking, Tool, ToolResult, ToolUse
from tests.interception.talk import Fields
from tests.interception.test_chat_request import JSON

FREE_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
EVERYTHING: Fields = {
    "model": "m",
    "instructions": "be good",
    "input": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "developer",
            "content": [{"type": "input_text", "text": "be brief"}],
        },
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "what is "},
                {"type": "input_image", "image_url": "data:,x", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:,y"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "content": None,
            "encrypted_content": "enc",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so", "annotations": []}]},
        {"type": "function_call", "id": "fc", "call_id": "a", "name": "bash", "arguments": "not json"},
        {"type": "function_call", "call_id": "b", "name": "ping", "namespace": "mcp__t", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a\n"b"'},
        {"type": "function_call_output", "call_id": "a", "output": "out"},
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:,z"}],
        },
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        {"role": "user", "content": "go on"},
    ],
    "tools": [
        {"type": "function", "name": "bash", "description": "d", "parameters": {"type": "object"}, "strict": False},
        {"type": "web_search", "external_web_access": True},
        {
            "type": "namespace",
            "name": "mcp__t",
            "description": "tools of t",
            "tools": [
                {"type": "function", "name": "ping", "description": "p", "parameters": {"x": 1}, "strict": True},
                {"type": "other", "name": "pong"},
            ],
        },
        {"type": "custom", "name": "patch", "description": "c", "format": GRAMMAR},
    ],
    "tool_choice": {"type": "function", "name": "bash"},
    "max_output_tokens": 7,
    "temperature": 0.5,
    "top_p": 1,
    "stream": True,
    "parallel_tool_calls": False,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "high"},
    "previous_response_id": None,
}


def body(*items: Fields, **more: object) -> Fields:
    """A request with these items."""
    return {"model": "m", "input": list(items), **more}


def user(content: object = "hi") -> Fields:
    """A message of the user's."""
    return {"role": "user", "content": content}


def decode(fields: object) -> ModelCall:
    """Decode a body given as a value."""
    return responses_request.decode(json.dumps(fields).encode())


def parts_of(*items: Fields) -> tuple[Part, ...]:
    """The parts of the only message."""
    [message] = decode(body(*items)).messages
    return message.parts


def test_everything_has_its_word() -> None:
    """Instructions, roles, images, reasoning, parallel calls of every kind of tool and their results are neutral."""
    call = decode(EVERYTHING)
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("system", (Text("be brief"),)),
        ChatMessage("user", (Text("what is "), Image("data:,x", "low"), Text("[input_file: a.pdf]"))),
        ChatMessage(
            "assistant",
            (
                Thinking("hm", "enc"),
                Text("so"),
                ToolUse("a", "bash", "not json"),
                ToolUse("b", "mcp__t__ping", "{}"),
                ToolUse("c", "patch", '{"input": "a\\n\\"b\\""}'),
            ),
        ),
        ChatMessage("tool", (ToolResult("a", (Text("out"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("x"), Image("data:,z"))),)),
        ChatMessage("tool", (ToolResult("c", (Text("done"),)),)),
        ChatMessage("user", (Text("go on"),)),
    )
    assert call.tools == (
        Tool("bash", "d", {"type": "object"}),
        Tool("mcp__t__ping", "p", {"x": 1}),
        Tool("patch", "c", FREE_TEXT),
    )
    assert call.tool_choice == "bash"
    assert call.sampling == Sampling(max_tokens=7, temperature=0.5, top_p=1.0)
    assert (call.dialect, call.model, call.stream) == ("responses", "m", True)


def test_what_has_no_word_is_kept() -> None:
    """Unknown fields of the body, of items, parts and tools, and tools of the provider's, are kept by place."""
    extra = decode(EVERYTHING).extra
    assert extra["reasoning"] == {"effort": "high"}
    assert extra["include"] == ["reasoning.encrypted_content"]
    assert extra["input"] == {
        "0": {"id": "msg_1"},
        "1": {"content": {"2": {"type": "input_file", "filename": "a.pdf", "file_data": "data:,y"}}},
        "2": {"id": "rs_1"},
        "3": {"content": {"0": {"annotations": []}}},
        "4": {"id": "fc"},
    }
    assert extra["tools"] == {
        "0": {"strict": False},
        "1": {"type": "web_search", "external_web_access": True},
        "2": {
            "type": "namespace",
            "name": "mcp__t",
            "description": "tools of t",
            "tools": [{"type": "function", "name": "ping", "strict": True}, {"type": "other", "name": "pong"}],
        },
        "3": {"type": "custom", "name": "patch", "format": GRAMMAR},
    }


def test_an_openai_compatible_upstream_understands() -> None:
    """Reasoning, images, tool calls and their results reach an upstream of chat completions in its own words."""
    sent = chat_request.encode(decode(EVERYTHING), "theirs")
    assert [message["role"] for message in sent["messages"]] == [
        *("system", "system", "user", "assistant", "tool", "tool", "tool", "user")
    ]
    assistant = sent["messages"][3]
    assert (assistant["reasoning_content"], assistant["content"]) == ("hm", "so")
    assert [use["function"]["name"] for use in assistant["tool_calls"]] == ["bash", "mcp__t__ping", "patch"]
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["bash", "mcp__t__ping", "patch"]
    assert not {"include", "reasoning", "store", "input"} & set(sent)
    assert sent["messages"][4] == {"role": "tool", "tool_call_id": "a", "content": "out"}


def test_a_text_is_a_request() -> None:
    """Input that is a plain text is a message of the user's, and instructions alone are a request too."""
    assert decode({"model": "m", "input": "hi"}).messages == (ChatMessage("user", (Text("hi"),)),)
    assert decode({"model": "m", "instructions": "be"}).messages == (ChatMessage("system", (Text("be"),)),)


def test_a_turn_is_one_message() -> None:
    """Items of the assistant that follow one another are one turn; a result, or the user, begins another."""
    said = {"role": "assistant", "content": "x"}
    call = {"type": "function_call", "call_id": "a", "name": "t", "arguments": ""}
    result = {"type": "function_call_output", "call_id": "a", "output": ""}
    messages = decode(body(said, call, result, said, said, user(), said)).messages
    assert [message.role for message in messages] == ["assistant", "tool", "assistant", "user", "assistant"]
    assert [len(message.parts) for message in messages] == [2, 1, 2, 1, 1]


def test_reasoning() -> None:
    """Reasoning is the text itself where it is there, the summary otherwise, and redacted when there is neither."""
    summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    content = [{"type": "reasoning_text", "text": "long"}]
    item: Fields = {"type": "reasoning", "summary": summary}
    assert parts_of(item) == (Thinking("a\n\nb"),)
    assert parts_of({**item, "content": content, "encrypted_content": UNSIGNED}) == (Thinking("long"),)
    assert parts_of({**item, "summary": [], "encrypted_content": "e"}) == (Thinking("", "e", redacted=True),)


def test_tools_in_namespaces() -> None:
    """Tools of a namespace, custom ones too, are led by its name, and their calls find the way back."""
    members = [{"type": "function", "name": "ls"}, {"type": "custom", "name": "edit"}]
    spaces = [{"type": "namespace", "name": name, "tools": members} for name in ("fs", "mcp__fs__")]
    call = decode(body(user(), tools=spaces))
    assert [tool.name for tool in call.tools] == ["fs__ls", "fs__edit", "mcp__fs__ls", "mcp__fs__edit"]
    assert call.tools[1].parameters == FREE_TEXT
    assert responses_tools.origins(call) == {
        "fs__ls": Origin("ls", "fs"),
        "fs__edit": Origin("edit", "fs", custom=True),
        "mcp__fs__ls": Origin("ls", "mcp__fs__"),
        "mcp__fs__edit": Origin("edit", "mcp__fs__", custom=True),
    }


def test_members_of_no_kind_are_functions() -> None:
    """A tool that does not say what it is is a function, alone and in a namespace, and can be called."""
    tools = [{"name": "ls"}, {"type": "namespace", "name": "fs", "tools": [{"name": "ls"}, {"type": "x", "name": "y"}]}]
    call = decode(body(user(), tools=tools))
    assert [tool.name for tool in call.tools] == ["ls", "fs__ls"]
    assert responses_tools.origins(call)["fs__ls"] == Origin("ls", "fs")


CHOICES: list[tuple[object, str | None, bool]] = [
    ("auto", "auto", False),
    ("required", "required", False),
    (None, None, False),
    ({"type": "function", "name": "t"}, "t", False),
    ({"type": "function", "name": "t", "namespace": "n"}, "n__t", False),
    ({"type": "custom", "name": "t"}, "t", False),
    ({"type": "allowed_tools", "mode": "required", "tools": []}, "required", True),
    ({"type": "web_search"}, None, True),
]


@pytest.mark.parametrize(("choice", "word", "kept"), CHOICES)
def test_tool_choice(choice: object, word: str | None, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """A choice of tools is a mode or a name; one that says more is kept as well."""
    call = decode(body(user(), tool_choice=choice))
    assert call.tool_choice == word
    assert call.extra.get("tool_choice") == (choice if kept else None)


def test_a_repeated_request_is_the_same_call() -> None:
    """Fields in another order, as codex writes them when it asks again, make no other call."""
    first = decode(body(user(), client_metadata={"a": "1", "b": "2"}))
    again = decode(body(user(), client_metadata={"b": "2", "a": "1"}, stream=True))
    assert fingerprint(first) == fingerprint(again)


COMPLAINTS: list[tuple[Fields, str]] = [
    ({"input": []}, "input: expected at least one item"),
    ({"input": None}, "input"),
    ({"input": {"role": "user"}}, "input: expected an array"),
    ({"input": ["hi"]}, r"input\[0\]: expected an object"),
    ({"input": [{"role": "pirate", "content": ""}]}, r"input\[0\]\.role: expected one of system"),
    ({"input": [{"content": ""}]}, r"input\[0\]\.type: expected one of message"),
    ({"input": [{"type": "item_reference"}]}, r"input\[0\]\.id"),
    ({"input": [{"type": []}]}, r"input\[0\]\.type"),
    ({"input": [{"type": "function_call", "name": "x", "arguments": ""}]}, r"input\[0\]\.call_id"),
    ({"input": [{"type": "function_call_output", "call_id": "x", "output": 3}]}, r"input\[0\]\.output"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, r"input\[0\]\.content\[0\]\.text"),
    ({"model": None}, "model"),
    ({"instructions": []}, "instructions"),
    ({"tools": [{"type": "function"}]}, r"tools\[0\]\.name"),
    ({"tools": [{"type": "function", "name": "x", "parameters": []}]}, r"tools\[0\]\.parameters"),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}, r"tools\[0\]\.tools\[0\]\.name"),
    ({"tool_choice": 3}, "tool_choice"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, r"tool_choice\.mode"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_output_tokens": True}, "max_output_tokens"),
    ({"stream": "yes"}, "stream"),
    ({"previous_response_id": "resp_1"}, "previous_response_id: not found .* send the whole"),
    ({"conversation": {"id": "c"}}, "conversation: not found"),
    ({"conversation": "c"}, "conversation: not found"),
    ({"conversation": {}}, r"conversation\.id"),
    ({"conversation": "c", "previous_response_id": "resp_1"}, "previous_response_id: expected null where"),
    ({"prompt": {"id": "p"}}, "prompt: expected null"),
    ({"text": {"format": {"type": "json_schema"}}}, r"text\.format\.schema"),
    ({"reasoning": {"effort": 3}}, r"reasoning\.effort"),
]


@pytest.mark.parametrize(("change", "place"), COMPLAINTS)
def test_a_complaint_names_the_place(change: Fields, place: str) -> None:
    """What is wrong with a request, or cannot be had here, is said with its place and what to do instead."""
    with pytest.raises(DialectError, match=f"^{place}"):
        responses_request.decode(json.dumps({**body(user()), **change}).encode(), Memory(1000))


def test_nesting_is_bounded() -> None:
    """A body nested deeper than the limit is refused wherever it is, one at the limit is not."""

    def nested(depth: int) -> Fields:
        deep: Fields = {}
        for _ in range(depth - 1):
            deep = {"x": deep}
        return deep

    def places(deep: Fields) -> list[Fields]:
        tool = {"type": "function", "name": "x", "parameters": deep}
        space = {"type": "namespace", "name": "x", "tools": [tool]}
        return [
            body(user(), deep=deep),
            body({**user(), "deep": deep}),
            *(body(user(), tools=[t]) for t in (tool, space)),
        ]

    for fields in places(nested(MAX_DEPTH - 10)):
        assert decode(fields).model == "m"
    for fields in (*places(nested(MAX_DEPTH)), *places(nested(900))):
        with pytest.raises(DialectError, match="nesting"):
            decode(fields)


@given(st.binary(max_size=200))
def test_bytes_are_refused_in_order(data: bytes) -> None:
    """Arbitrary bytes raise `DialectError` and nothing else."""
    with pytest.raises(DialectError):
        responses_request.decode(data)


@given(JSON, st.sampled_from(sorted(EVERYTHING)))
def test_any_value_in_any_place(value: object, name: str) -> None:
    """Any JSON in any field of a good body is understood, and can go to an upstream, or refused in order."""
    _decode_or_refuse({**EVERYTHING, name: value})


WORDS = [
    *("message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
    *("user", "assistant", "input_text", "output_text", "input_image", "summary_text", "function", "custom"),
    *("namespace", "allowed_tools", "web_search"),
]
FIELDS = [
    *("type", "role", "content", "text", "image_url", "call_id", "name", "namespace", "arguments", "input", "output"),
    *("summary", "encrypted_content", "tools", "parameters", "description", "mode"),
]
LIKELY = st.recursive(
    st.sampled_from(WORDS) | st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=25,
)


@given(st.lists(LIKELY, max_size=3), st.lists(LIKELY, max_size=3), LIKELY)
def test_almost_good_requests(items: list[Any], tools: list[Any], choice: object) -> None:
    """Items and tools that have the right words in wrong places are understood or refused with `DialectError`."""
    _decode_or_refuse(body(user(), *items, tools=tools, tool_choice=choice))


def _decode_or_refuse(fields: Fields) -> None:
    try:
        call = decode(fields)
    except DialectError:
        return
    assert chat_request.encode(call, "m")["model"] == "m"
    assert fingerprint(call)
