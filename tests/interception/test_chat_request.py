"""Chat completions: what an agent sends becomes neutral words, and goes to an upstream unharmed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import chat_request
from greenroom.interception.dialects.value import MAX_DEPTH
from greenroom.interception.errors import DialectError
from greenroom.messages import ChatMessage, Image, ModelCall, Sampling, Text, Thinking, Tool, ToolResult, ToolUse
from tests.interception.talk import Fields, body

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "tool_call_id",
        "reasoning_content",
        "refusal",
        "user",
        "assistant",
        "tool",
        "system",
    ]
)
LIKELY = st.recursive(
    NAMES | st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)

TOOL = {"type": "function", "function": {"name": "bash", "description": "d", "parameters": {"type": "object"}}}
EVERYTHING: Fields = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": "be good"},
        {"role": "user", "content": [{"type": "text", "text": "what is "}, {"type": "text", "text": "this?"}]},
        {
            "role": "user",
            "name": "bob",
            "content": [{"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "bash", "arguments": '{"x": 1}'}},
                {"id": "b", "type": "function", "function": {"name": "bash", "arguments": "not json"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "out", "cache": True},
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
        },
    ],
    "tools": [
        TOOL,
        {"type": "web_search", "depth": 3},
        {"type": "function", "function": {"name": "ls", "strict": True}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "bash"}},
    "max_completion_tokens": 7,
    "temperature": 0.5,
    "top_p": 1,
    "stop": "END",
    "seed": 3,
    "stream": True,
    "stream_options": {"include_usage": True},
    "parallel_tool_calls": False,
    "vendor": {"deep": [1, None]},
}


def decode(fields: object) -> ModelCall:
    """Decode a body given as a value."""
    return chat_request.decode(json.dumps(fields).encode())


def test_everything_has_its_word() -> None:
    """Roles, parts, images, reasoning, parallel tool calls, results, tools and sampling arrive in neutral words."""
    call = decode(EVERYTHING)
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("user", (Text("what is "), Text("this?"))),
        ChatMessage("user", (Image("data:,x", "low"),)),
        ChatMessage("assistant", (Thinking("hm"), ToolUse("a", "bash", '{"x": 1}'), ToolUse("b", "bash", "not json"))),
        ChatMessage("tool", (ToolResult("a", (Text("out"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("x"), Text("y"))),)),
    )
    assert call.tools == (Tool("bash", "d", {"type": "object"}), Tool("ls"))
    assert call.tool_choice == "bash"
    assert call.sampling == Sampling(max_tokens=7, temperature=0.5, top_p=1.0, stop=("END",), seed=3)
    assert call.stream
    assert chat_request.wants_usage(call)


def test_what_has_no_word_goes_on_to_the_upstream() -> None:
    """Unknown fields of the body, of messages and of tools, and unknown kinds of tools, reach an upstream in place."""
    sent = chat_request.encode(decode(EVERYTHING), "theirs")
    assert sent["model"] == "theirs"
    assert sent["vendor"] == {"deep": [1, None]}
    assert sent["parallel_tool_calls"] is False
    assert sent["messages"][2]["name"] == "bob"
    assert sent["messages"][4]["cache"] is True
    assert sent["tools"][1] == {"type": "web_search", "depth": 3}
    assert sent["tools"][2]["function"]["strict"] is True
    assert sent["max_completion_tokens"] == 7
    assert not {"stream", "stream_options", "max_tokens"} & set(sent)


def test_a_second_trip_changes_nothing() -> None:
    """A request that was decoded and encoded means the same when it is decoded again."""
    once = decode(EVERYTHING)
    again = decode(chat_request.encode(once, "m"))
    for name in ("messages", "tools", "tool_choice", "sampling"):
        assert getattr(again, name) == getattr(once, name)


def test_fields_of_another_dialect_stay_behind() -> None:
    """What only another dialect knows is not sent to a chat upstream."""
    call = ModelCall(id="", dialect="anthropic", model="m", messages=(), extra={"thinking": {"type": "adaptive"}})
    assert "thinking" not in chat_request.encode(call, "m")


def test_results_of_several_tools_in_one_message() -> None:
    """Tool results that another dialect puts into one message become messages of their own."""
    results = (ToolResult("a", (Text("1"),)), ToolResult("b", ()))
    call = ModelCall(id="", dialect="anthropic", model="m", messages=(ChatMessage("user", (*results, Text("go on"))),))
    sent = chat_request.encode(call, "m")["messages"]
    assert [(message["role"], message["content"]) for message in sent] == [
        ("tool", "1"),
        ("tool", ""),
        ("user", "go on"),
    ]


def test_half_an_emoji() -> None:
    """Text cut within a surrogate pair, as JavaScript agents send it, is taken with a question mark."""
    call = chat_request.decode(json.dumps(body("cut \ud83d")).encode())
    assert call.messages[0].parts == (Text("cut ?"),)


COMPLAINTS: list[tuple[Fields, str]] = [
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": {"role": "user"}}, "messages"),
    ({"messages": [{"role": "pirate", "content": ""}]}, r"messages\[0\]\.role: expected one of system"),
    ({"messages": [{"role": "user", "content": 3}]}, r"messages\[0\]\.content"),
    ({"messages": [{"role": "user", "content": [{"type": 3}]}]}, r"messages\[0\]\.content\[0\]\.type"),
    ({"messages": [{"role": "tool", "content": ""}]}, r"messages\[0\]\.tool_call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, r"messages\[0\]\.tool_calls\[0\]\.function"),
    ({"model": 3}, "model"),
    ({"model": None}, "model"),
    ({"tools": [{"type": "function"}]}, r"tools\[0\]\.function"),
    ({"tools": [{"function": {"name": "x", "parameters": []}}]}, r"tools\[0\]\.function\.parameters"),
    ({"tool_choice": 3}, "tool_choice"),
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": 2**63}, "max_tokens"),
    ({"stop": [1]}, r"stop\[0\]"),
    ({"n": 0}, "n"),
    ({"n": "two"}, "n"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": 1}}, "stream_options"),
]


@pytest.mark.parametrize("n", [1, 2, 8.0, None])
def test_however_many_answers_are_asked_for_there_is_one(n: float | None) -> None:
    """A request for several answers is served with one, as many servers do, and a server is not asked for more."""
    call = decode({"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": n})
    assert "n" not in chat_request.encode(call, "m")


def test_thoughts_may_be_a_text() -> None:
    """A part of thoughts is a note with them, in pieces or as one text."""
    thoughts = [{"type": "thinking", "thinking": "hm"}]
    call = decode({"model": "m", "messages": [{"role": "user", "content": thoughts}]})
    assert call.messages[0].parts == (Text("[thinking]\nhm"),)


@pytest.mark.parametrize(("change", "place"), COMPLAINTS)
def test_a_complaint_names_the_place(change: Fields, place: str) -> None:
    """What is wrong with a request is said with its place, so that an agent's author can find it."""
    with pytest.raises(DialectError, match=f"^{place}"):
        decode({**body(), **change})


def test_nesting_is_bounded() -> None:
    """A body nested deeper than the limit is refused, one at the limit is not."""

    def nested(depth: int) -> Fields:
        value: Fields = {}
        for _ in range(depth - 1):
            value = {"x": value}
        return value

    def places(value: Fields) -> list[Fields]:
        message = {"role": "user", "content": "", "deep": value}
        tool = {"function": {"name": "x", "parameters": value}}
        return [body(deep=value), body(messages=[message]), body(tools=[tool])]

    for fields in places(nested(MAX_DEPTH - 10)):
        assert decode(fields).model == "m"
    for fields in (*places(nested(MAX_DEPTH)), *places(nested(900))):
        with pytest.raises(DialectError, match="nesting"):
            decode(fields)
    with pytest.raises(DialectError, match="valid JSON"):
        chat_request.decode(b'{"deep":' + b"[" * 200_000)


@given(st.binary(max_size=200))
def test_bytes_are_refused_in_order(data: bytes) -> None:
    """Arbitrary bytes raise `DialectError` and nothing else."""
    with pytest.raises(DialectError):
        chat_request.decode(data)


@given(JSON, st.sampled_from(sorted(EVERYTHING)))
def test_any_value_in_any_place(value: object, name: str) -> None:
    """Any JSON in any field of a good body is understood, and then can be encoded, or refused with `DialectError`."""
    _decode_or_refuse({**EVERYTHING, name: value})


@given(st.lists(LIKELY, max_size=3), st.lists(LIKELY, max_size=3))
def test_almost_good_messages(messages: list[Any], tools: list[Any]) -> None:
    """Messages and tools that have the right words in wrong places are understood or refused with `DialectError`."""
    _decode_or_refuse({**body(), "messages": messages, "tools": tools})


def _decode_or_refuse(fields: Fields) -> None:
    try:
        call = decode(fields)
    except DialectError:
        return
    again = chat_request.encode(call, "m")
    assert decode(again).messages == call.messages
