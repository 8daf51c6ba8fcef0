"""Anthropic Messages: what an agent sends becomes neutral words, for every owner of a model alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import anthropic_reply, anthropic_request, chat_request
from greenroom.interception.dialects.anthropic_content import UNSIGNED
from greenroom.interception.dialects.arguments import INVALID_JSON
from greenroom.interception.dialects.value import MAX_DEPTH
from greenroom.interception.errors import DialectError
from greenroom.interception.session import fingerprint
from greenroom.messages import ChatMessage, Image, ModelCall, Part, Sampling, Text, Thinking, Tool, ToolResult, ToolUse
from tests.interception.talk import Fields
from tests.interception.test_chat_request import JSON

BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.123; cc_entrypoint=sdk-cli;"}
CACHED = {"cache_control": {"type": "ephemeral"}}
EVERYTHING: Fields = {
    "model": "m",
    "max_tokens": 7,
    "system": [BILLING, {"type": "text", "text": "be good", **CACHED}, {"type": "text", "text": "be brief"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is "},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}, **CACHED},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            ],
        },
        {"role": "system", "content": "by the way"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZW5j"},
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "a", "name": "bash", "input": {"cmd": "ls", "é": [1, 2.5]}, **CACHED},
                {"type": "tool_use", "id": "b", "name": "bash", "input": {}},
            ],
        },
        {
            "role": "user",
            "vendor": 1,
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "out", **CACHED},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no"},
                        {"type": "image", "source": {"type": "url", "url": "https://x/z.png"}},
                    ],
                },
                {"type": "text", "text": "go on"},
            ],
        },
    ],
    "tools": [
        {"name": "bash", "description": "d", "input_schema": {"type": "object"}, "strict": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        {"type": "custom", "name": "ls", "input_schema": {}},
    ],
    "tool_choice": {"type": "tool", "name": "bash", "disable_parallel_tool_use": True},
    "temperature": 0.5,
    "top_p": 1,
    "top_k": 4,
    "stop_sequences": ["END"],
    "stream": True,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "metadata": {"user_id": "u"},
}


def body(*content: Fields, role: str = "user", **more: object) -> Fields:
    """A request with one message."""
    return {"model": "m", "max_tokens": 9, "messages": [{"role": role, "content": list(content)}], **more}


def decode(fields: object) -> ModelCall:
    """Decode a body given as a value."""
    return anthropic_request.decode(json.dumps(fields).encode())


def parts_of(*content: Fields, role: str = "user") -> tuple[Part, ...]:
    """The parts of the only message."""
    [message] = decode(body(*content, role=role)).messages
    return message.parts


def test_everything_has_its_word() -> None:
    """System prompts, roles, images, thinking, parallel tools, their results and sampling arrive in neutral words."""
    call = decode(EVERYTHING)
    assert call.messages == (
        ChatMessage("system", (Text("be good"), Text("be brief"))),
        ChatMessage("user", (Text("what is "), Image("data:image/png;base64,AAAA"), Image("https://x/y.png"))),
        ChatMessage("system", (Text("by the way"),)),
        ChatMessage(
            "assistant",
            (
                Thinking("hm", "c2ln"),
                Thinking("", "ZW5j", redacted=True),
                Text("let me see"),
                ToolUse("a", "bash", '{"cmd": "ls", "é": [1, 2.5]}'),
                ToolUse("b", "bash", "{}"),
            ),
        ),
        ChatMessage("tool", (ToolResult("a", (Text("out"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("no"), Image("https://x/z.png")), is_error=True),)),
        ChatMessage("user", (Text("go on"),)),
    )
    assert call.tools == (Tool("bash", "d", {"type": "object"}), Tool("ls"))
    assert call.tool_choice == "bash"
    assert call.sampling == Sampling(max_tokens=7, temperature=0.5, top_p=1.0, stop=("END",))
    assert (call.dialect, call.model, call.stream) == ("anthropic", "m", True)


def test_what_has_no_word_is_kept() -> None:
    """Unknown fields of the body, of messages, blocks and tools, and tools of the provider's, are kept by place."""
    assert decode(EVERYTHING).extra == {
        "top_k": 4,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "metadata": {"user_id": "u"},
        "tool_choice": {"disable_parallel_tool_use": True},
        "system": {"1": CACHED},
        "messages": {
            "0": {"content": {"1": CACHED}},
            "2": {"content": {"3": CACHED}},
            "3": {"vendor": 1, "content": {"0": CACHED}},
        },
        "tools": {"0": {"strict": True}, "1": {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}},
    }


def test_an_openai_compatible_upstream_understands() -> None:
    """Thinking, images, tool calls and their results reach an upstream of another dialect in its own words."""
    sent = chat_request.encode(decode(EVERYTHING), "theirs")
    assert [message["role"] for message in sent["messages"]] == [
        *("system", "user", "system", "assistant", "tool", "tool", "user")
    ]
    _, user, _, assistant, _, failed, _ = sent["messages"]
    assert user["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert (assistant["reasoning_content"], assistant["content"]) == ("hm", "let me see")
    assert [use["function"]["arguments"] for use in assistant["tool_calls"]] == ['{"cmd": "ls", "é": [1, 2.5]}', "{}"]
    assert (failed["tool_call_id"], failed["content"][0]["text"]) == ("b", "no")
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "bash"}}
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["bash", "ls"]
    assert (sent["model"], sent["max_tokens"], sent["stop"]) == ("theirs", 7, ["END"])
    assert (sent["top_k"], sent["reasoning_effort"], sent["parallel_tool_calls"]) == (4, "high", False)
    assert sent["tools"][0]["function"]["strict"] is True
    assert not {"thinking", "output_config", "metadata"} & set(sent)


@pytest.mark.parametrize("prompt", [None, "", [], [BILLING], [{"type": "text", "text": ""}]])
def test_no_system_prompt(prompt: object) -> None:
    """A system prompt that says nothing is none."""
    assert decode(body({"type": "text", "text": "hi"}, system=prompt)).messages == (ChatMessage("user", (Text("hi"),)),)


def test_a_system_prompt_as_text() -> None:
    """A system prompt that is a string is the first message."""
    assert decode(body(system="be good")).messages[0] == ChatMessage("system", (Text("be good"),))


def test_the_billing_block_is_no_part_of_the_call() -> None:
    """A request whose volatile billing block has changed is still the same request; with another word it is not."""
    changed = {**BILLING, "text": BILLING["text"] + " cch=a1b2c;"}
    same = {**EVERYTHING, "system": [changed, *EVERYTHING["system"][1:]], "stream": False}
    other = {**EVERYTHING, "system": [BILLING, {"type": "text", "text": "be bad"}]}
    assert fingerprint(decode(same)) == fingerprint(decode(EVERYTHING)) != fingerprint(decode(other))


CHOICES = [({"type": "auto"}, "auto"), ({"type": "any"}, "required"), ({"type": "none"}, "none"), (None, None)]


@pytest.mark.parametrize(("choice", "word"), [*CHOICES, ({"type": "tool", "name": "ls"}, "ls")])
def test_tool_choices(choice: object, word: str | None) -> None:
    """Each form of tool choice has its neutral word, and leaves nothing over."""
    call = decode(body(tool_choice=choice))
    assert (call.tool_choice, call.extra) == (word, {})


@pytest.mark.parametrize("signature", [{}, {"signature": ""}, {"signature": UNSIGNED}])
def test_thinking_without_a_signature(signature: Fields) -> None:
    """Thinking that nobody signed has no signature, whatever stands for it on the wire."""
    assert parts_of({"type": "thinking", "thinking": "hm", **signature}, role="assistant") == (Thinking("hm"),)


def test_arguments_that_were_no_object() -> None:
    """Arguments that had to be wrapped on the way to the agent come back as the model wrote them."""
    use = {"type": "tool_use", "id": "a", "name": "ls", "input": {INVALID_JSON: "{oops"}}
    assert parts_of(use, role="assistant") == (ToolUse("a", "ls", "{oops"),)


NOTES: list[tuple[Fields, str]] = [
    ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}, "words"),
    ({"type": "document", "title": "a.pdf", "source": {"type": "base64", "data": "AA"}}, "[document: a.pdf]"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "[image]"),
    ({"type": "tool_reference", "tool_name": "ls"}, "[tool_reference: ls]"),
]


@pytest.mark.parametrize(("block", "text"), NOTES)
def test_blocks_without_a_word(block: Fields, text: str) -> None:
    """A block of another kind is text for the model, or a note that it is there, and is kept."""
    whole = dict(block)
    result = {"type": "tool_result", "tool_use_id": "a", "content": [block]}
    call = decode(body(block, result))
    assert call.messages[0].parts == (Text(text),)
    assert call.messages[1].parts == (ToolResult("a", (Text(text),)),)
    kept = call.extra["messages"]["0"]["content"]
    whole.pop("type") if block["type"] == "image" else None
    assert kept == {"0": whole, "1": {"content": {"0": whole}}}


def test_all_that_is_said_is_counted() -> None:
    """Text, thinking, calls of tools and what tools gave back all count, byte by byte; what is kept does not."""
    said: list[tuple[str, Fields]] = [
        ("assistant", {"type": "text", "text": "é" * 200}),
        ("assistant", {"type": "thinking", "thinking": "x" * 400, "signature": "c2ln"}),
        ("assistant", {"type": "tool_use", "id": "a", "name": "x" * 200, "input": {"x": "x" * 191}}),
        ("user", {"type": "tool_result", "tool_use_id": "a", "content": "x" * 400, "vendor": "x" * 400}),
    ]
    counts = {anthropic_reply.count(decode(body(block, role=role))) for role, block in said}
    assert counts == {b'{"input_tokens":104}'}


COMPLAINTS: list[tuple[Fields, str]] = [
    ({"messages": []}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "tool", "content": ""}]}, r"messages\[0\]\.role: expected one of user"),
    ({"messages": [{"role": "user", "content": 3}]}, r"messages\[0\]\.content"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"messages\[0\]\.content\[0\]\.type"),
    ({"messages": [{"role": "user", "content": [{"type": "thinking"}]}]}, r"messages\[0\]\.content\[0\]\.type"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, r"messages\[0\]\.content\[0\]\.source"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, r"messages\[0\].*\.tool_use_id"),
    ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": "x"}]}]}, r"messages.*\.input"),
    ({"model": 3}, "model"),
    ({"system": 3}, "system"),
    ({"system": [{"type": "image"}]}, r"system\[0\]\.type"),
    ({"tools": [{"name": "x"}]}, r"tools\[0\]\.input_schema"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "some"}}, r"tool_choice\.type"),
    ({"tool_choice": {"type": "tool"}}, r"tool_choice\.name"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"stop_sequences": [1]}, r"stop_sequences\[0\]"),
    ({"stream": "yes"}, "stream"),
]


@pytest.mark.parametrize(("change", "place"), COMPLAINTS)
def test_a_complaint_names_the_place(change: Fields, place: str) -> None:
    """What is wrong with a request is said with its place, so that an agent's author can find it."""
    with pytest.raises(DialectError, match=f"^{place}"):
        decode({**body(), **change})


def test_nesting_is_bounded() -> None:
    """A body nested deeper than the limit is refused wherever that is, one at the limit is not."""

    def places(depth: int) -> list[Fields]:
        value: Fields = {}
        for _ in range(depth - 1):
            value = {"x": value}
        use = {"type": "tool_use", "id": "a", "name": "ls", "input": value}
        tool = {"name": "ls", "input_schema": value}
        cached = {"type": "text", "text": "", "cache_control": value}
        return [body(use, role="assistant"), body(tools=[tool]), body(cached), body(deep=value)]

    for fields in places(MAX_DEPTH - 10):
        assert decode(fields).model == "m"
    for fields in (*places(MAX_DEPTH + 1), *places(900)):
        with pytest.raises(DialectError, match="nesting"):
            decode(fields)


@given(st.binary(max_size=200))
def test_bytes_are_refused_in_order(data: bytes) -> None:
    """Arbitrary bytes raise `DialectError` and nothing else."""
    with pytest.raises(DialectError):
        anthropic_request.decode(data)


@given(JSON, st.sampled_from(sorted(EVERYTHING)))
def test_any_value_in_any_place(value: object, name: str) -> None:
    """Any JSON in any field of a good body is understood, and an upstream can be asked, or it is refused."""
    _decode_or_refuse({**EVERYTHING, name: value})


NAMES = st.sampled_from(
    [
        *("role", "content", "type", "text", "source", "url", "base64", "media_type", "data", "tool_use", "id", "name"),
        *("input", "tool_result", "tool_use_id", "is_error", "thinking", "signature", "redacted_thinking", "image"),
        *("user", "assistant", "system", "document", "input_schema"),
    ]
)
LIKELY = st.recursive(
    NAMES | st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
KINDS = st.sampled_from(["text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result", "document"])
BLOCKS = st.dictionaries(NAMES, LIKELY, max_size=5)
MESSAGES: st.SearchStrategy[Fields] = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.lists(st.tuples(BLOCKS, KINDS).map(lambda given: {**given[0], "type": given[1]}), max_size=3),
    }
)


@given(st.lists(LIKELY | MESSAGES, max_size=3), st.lists(LIKELY, max_size=3))
def test_almost_good_messages(messages: list[Any], tools: list[Any]) -> None:
    """Messages and tools that have the right words in wrong places are understood or refused with `DialectError`."""
    _decode_or_refuse({**body(), "messages": messages, "tools": tools})


def _decode_or_refuse(fields: Fields) -> None:
    try:
        call = decode(fields)
    except DialectError:
        return
    assert chat_request.encode(call, "m")["messages"]
    assert fingerprint(call)
