"""Google: what an agent sends becomes neutral words, for every owner of a model alike."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception import Request
from greenroom.interception.dialects import GoogleDialect, chat_request
from greenroom.interception.dialects.arguments import INVALID_JSON
from greenroom.interception.dialects.google_schema import json_schema
from greenroom.interception.dialects.value import MAX_DEPTH
from greenroom.interception.errors import DialectError
from greenroom.interception.session import fingerprint
from greenroom.messages import ChatMessage, Image, ModelCall, Part, Sampling, Text, Thinking, Tool, ToolResult, ToolUse
from tests.interception.talk import Fields
from tests.interception.test_chat_request import JSON

EVERYTHING: Fields = {
    "systemInstruction": {"role": "user", "parts": [{"text": "be good"}, {"text": "be brief"}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "what is "},
                {"inlineData": {"mimeType": "image/png", "data": "-_8"}},
                {"fileData": {"fileUri": "https://x/y.png"}, "videoMetadata": {"fps": 1}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": base64.b64encode(b"sig").decode()},
                {"text": "let me see"},
                {
                    "functionCall": {"id": "a", "name": "bash", "args": {"cmd": "ls", "n": [1, 2.5]}},
                    "thoughtSignature": "c2ln",
                },
                {"functionCall": {"name": "ls"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "bash", "response": {"output": "out"}}},
                {
                    "functionResponse": {
                        "name": "ls",
                        "response": {"error": "no"},
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
                    }
                },
                {"text": "go on"},
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "bash",
                    "description": "d",
                    "parameters": {"type": "OBJECT", "properties": {"cmd": {"type": "STRING"}}},
                    "behavior": "BLOCKING",
                },
                {"name": "ls", "parametersJsonSchema": {"type": "object"}},
            ]
        },
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["bash"]}},
    "generationConfig": {
        "maxOutputTokens": 7,
        "temperature": 0.5,
        "topP": 1,
        "topK": 4,
        "stopSequences": ["END"],
        "seed": 3,
        "candidateCount": 1,
        "thinkingConfig": {"includeThoughts": True},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}


def asked(verb: str = "generateContent", model: str = "m", **query: str) -> Request:
    """The head of a request."""
    return Request(method="POST", path=f"/v1beta/models/{model}:{verb}", headers={}, query=query)


def decode(fields: object, request: Request | None = None) -> ModelCall:
    """Decode a body given as a value."""
    return GoogleDialect().decode(request or asked(), json.dumps(fields).encode())


def body(*contents: Fields, **more: object) -> Fields:
    """A request with these contents."""
    return {"contents": list(contents), **more}


def content(*parts: Fields, role: str = "user") -> Fields:
    """One content."""
    return {"role": role, "parts": list(parts)}


HI = content({"text": "hi"})


def parts_of(*parts: Fields, role: str = "user") -> tuple[Part, ...]:
    """The parts of the only message."""
    [message] = decode(body(content(*parts, role=role))).messages
    return message.parts


def test_everything_has_its_word() -> None:
    """Instructions, roles, images, thoughts, parallel calls and results, tools and sampling arrive in neutral words."""
    call = decode(EVERYTHING)
    assert call.messages == (
        ChatMessage("system", (Text("be good"), Text("be brief"))),
        ChatMessage(
            "user",
            (
                Text("what is "),
                Image("data:image/png;base64,+/8="),
                Image("https://x/y.png"),
                Text("[inlineData: application/pdf]"),
            ),
        ),
        ChatMessage(
            "assistant",
            (
                Thinking("hm", "sig"),
                Text("let me see"),
                ToolUse("a", "bash", '{"cmd": "ls", "n": [1, 2.5]}'),
                ToolUse("call_0_1", "ls", "{}"),
            ),
        ),
        ChatMessage("tool", (ToolResult("a", (Text("out"),)),)),
        ChatMessage(
            "tool", (ToolResult("call_0_1", (Text("no"), Image("data:image/png;base64,AAAA")), is_error=True),)
        ),
        ChatMessage("user", (Text("go on"),)),
    )
    assert call.tools == (
        Tool("bash", "d", {"type": "object", "properties": {"cmd": {"type": "string"}}}),
        Tool("ls", "", {"type": "object"}),
    )
    assert call.tool_choice == "bash"
    assert call.sampling == Sampling(max_tokens=7, temperature=0.5, top_p=1.0, stop=("END",), seed=3)
    assert (call.dialect, call.model, call.stream) == ("google", "m", False)


def test_what_has_no_word_is_kept() -> None:
    """Unknown fields of the body, of contents, parts and tools, and tools of the provider's, are kept by place."""
    assert decode(EVERYTHING).extra == {
        "contents": {
            "0": {
                "parts": {
                    "2": {"videoMetadata": {"fps": 1}},
                    "3": {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
                }
            },
            "1": {"parts": {"2": {"thoughtSignature": "c2ln"}}},
        },
        "tools": {"0": {"functionDeclarations": {"0": {"behavior": "BLOCKING"}}}, "1": {"googleSearch": {}}},
        "toolConfig": EVERYTHING["toolConfig"],
        "generationConfig": {"topK": 4, "thinkingConfig": {"includeThoughts": True}},
        "safetySettings": EVERYTHING["safetySettings"],
    }


def snake(text: str) -> str:
    """JSON with every name in snake case."""
    return re.sub(r'"\w+":', lambda name: re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name[0]), text)


def test_names_in_snake_case() -> None:
    """Fields written in snake case, which the API takes as well, mean the same."""
    call, other = decode(EVERYTHING), decode(json.loads(snake(json.dumps(EVERYTHING))))
    for name in ("messages", "tools", "tool_choice", "sampling"):
        assert getattr(other, name) == getattr(call, name)
    assert other.extra["generationConfig"] == call.extra["generationConfig"]


def test_an_openai_compatible_upstream_understands() -> None:
    """Thoughts, images, tool calls and their results reach an upstream of chat completions in its own words."""
    sent = chat_request.encode(decode(EVERYTHING), "theirs")
    assert [message["role"] for message in sent["messages"]] == [
        *("system", "user", "assistant", "tool", "tool", "user")
    ]
    assistant = sent["messages"][2]
    assert (assistant["reasoning_content"], assistant["content"]) == ("hm", "let me see")
    assert [use["id"] for use in assistant["tool_calls"]] == ["a", "call_0_1"]
    assert [message["tool_call_id"] for message in sent["messages"][3:5]] == ["a", "call_0_1"]
    assert sent["tools"][0]["function"]["parameters"]["properties"] == {"cmd": {"type": "string"}}
    assert (sent["stop"], sent["max_tokens"], sent["seed"]) == (["END"], 7, 3)
    assert not {"generationConfig", "safetySettings", "contents"} & set(sent)


def test_the_path_says_which_model_and_whether_to_stream() -> None:
    """Model and streaming are read from the path; two ways to stream are one call, and not streaming is the same."""
    whole = decode(body(HI), asked(model="qwen3:8b"))
    events = decode(body(HI), asked("streamGenerateContent", "qwen3:8b", alt="sse"))
    array = decode(body(HI), asked("streamGenerateContent", "qwen3:8b"))
    assert (whole.model, whole.stream) == ("qwen3:8b", False)
    assert events.stream
    assert array.stream
    assert len({fingerprint(call) for call in (whole, events, array)}) == 1
    dialect = GoogleDialect()
    assert [dialect.stream(call).content_type for call in (events, array)] == ["text/event-stream", "application/json"]


def test_a_streamed_turn_is_one_message() -> None:
    """Contents of the model that follow one another, as clients keep the pieces of a stream, are one turn again."""
    pieces = [
        content({"text": "h", "thought": True}, role="model"),
        content({"text": "m", "thought": True, "thoughtSignature": "c2ln"}, role="model"),
        content({"text": "oh", "thought": True}, role="model"),
        content({"text": "he"}, role="model"),
        content({"text": "llo"}, {"functionCall": {"name": "t"}}, role="model"),
        content({"functionCall": {"name": "t"}}, {"text": "", "thoughtSignature": "c2ln"}, role="model"),
    ]
    [_, turn, _] = decode(body(HI, *pieces, HI)).messages
    uses = (ToolUse("call_0_0", "t", "{}"), ToolUse("call_0_1", "t", "{}"))
    assert turn == ChatMessage("assistant", (Thinking("hm", "sig"), Thinking("oh"), Text("hello"), *uses))


def test_calls_without_ids_find_their_answers() -> None:
    """Answers without an id belong to the first open call of their name, in every later request just the same."""

    def call(name: str, **more: object) -> Fields:
        return {"functionCall": {"name": name, **more}}

    def answer(name: str, **more: object) -> Fields:
        return {"functionResponse": {"name": name, "response": {}, **more}}

    contents = [
        content(call("x"), call("y"), call("x"), role="model"),
        content(answer("x"), answer("x"), answer("y")),
        content(call("x", id="given"), call("x"), role="model"),
        content(answer("x", id="own"), answer("x", id="given"), answer("z")),
    ]
    messages = decode(body(*contents)).messages
    results = [part.id for message in messages for part in message.parts if isinstance(part, ToolResult)]
    assert results == ["call_0_0", "call_0_2", "call_0_1", "call_1_1", "given", "call_z"]
    assert decode(body(*contents[:2])).messages == messages[:4]


def test_one_of_something_instead_of_several() -> None:
    """An object, or a text, where the API has an array of such is an array of one, at every place."""
    answer = {"functionResponse": {"name": "t", "response": {}, "parts": {"text": "x"}}}
    call = decode(
        {
            "systemInstruction": {"parts": {"text": "be good"}},
            "contents": {"parts": {"text": "hi"}},
            "tools": {"functionDeclarations": {"name": "t"}},
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": "t"}},
            "generationConfig": {"stopSequences": "END"},
        }
    )
    assert call.messages == (ChatMessage("system", (Text("be good"),)), ChatMessage("user", (Text("hi"),)))
    assert (call.tools, call.tool_choice, call.sampling.stop) == ((Tool("t"),), "t", ("END",))
    assert chat_request.encode(call, "m")["tool_choice"]["function"] == {"name": "t"}
    (result,) = parts_of(answer)
    assert isinstance(result, ToolResult)
    assert result.parts == (Text("{}"), Text("[text]"))


RESPONSES: list[tuple[Fields | None, str, bool]] = [
    ({"output": "x"}, "x", False),
    ({"result": "x"}, "x", False),
    ({"output": {"a": 1}}, '{"a":1}', False),
    ({"error": "x"}, "x", True),
    ({"output": "x", "more": 1}, '{"output":"x","more":1}', False),
    ({}, "{}", False),
    (None, "{}", False),
]


@pytest.mark.parametrize(("response", "text", "is_error"), RESPONSES)
def test_what_a_function_gave_back(response: Fields | None, text: str, is_error: bool) -> None:  # noqa: FBT001
    """A function's output or error is taken out of its object when it is all there is, as the API says."""
    part = {"functionResponse": {"id": "a", "name": "t", "response": response}}
    assert parts_of(part) == (ToolResult("a", (Text(text),), is_error),)


def test_arguments_that_were_no_object() -> None:
    """Broken arguments, which the agent was given in an object, come back as what the model wrote."""
    assert parts_of({"functionCall": {"id": "a", "name": "t", "args": {INVALID_JSON: '{"x'}}}, role="model") == (
        ToolUse("a", "t", '{"x'),
    )


def test_parts_of_other_kinds() -> None:
    """Parts that have no neutral word are notes: no agent is ended for one, and nothing is left out in silence."""
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert parts_of(code, {"newKind": 3}) == (Text("[executableCode]\n1"), Text("[newKind]"))
    assert parts_of({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}) == (Text("[codeExecutionResult]"),)
    assert parts_of({"fileData": {"mimeType": "video/mp4", "fileUri": "x"}}) == (Text("[fileData: video/mp4]"),)
    assert parts_of({"videoMetadata": {"startOffset": "2s"}}) == (Text("[videoMetadata]"),)


def test_a_content_without_parts() -> None:
    """A content that has no parts is a message all the same, of whoever it is."""
    found = decode(body(content(), content(role="model"), HI)).messages
    assert found[:2] == (ChatMessage("user", ()), ChatMessage("assistant", ()))


CHOICES: list[tuple[object, str | None]] = [
    (None, None),
    ({}, None),
    ({"functionCallingConfig": {"mode": "AUTO"}}, "auto"),
    ({"functionCallingConfig": {"mode": "VALIDATED"}}, "auto"),
    ({"functionCallingConfig": {"mode": "none"}}, "none"),
    ({"functionCallingConfig": {"mode": "ANY"}}, "required"),
    ({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "b"]}}, "required"),
    ({"function_calling_config": {"mode": "ANY", "allowed_function_names": ["a"]}}, "a"),
]


@pytest.mark.parametrize(("config", "word"), CHOICES)
def test_tool_choice(config: object, word: str | None) -> None:
    """The mode of function calling is a neutral mode, or the name of the one function that is allowed."""
    assert decode(body(HI, toolConfig=config)).tool_choice == word


def test_schemas() -> None:
    """Schemas in the API's dialect of OpenAPI become JSON schemas; properties may be called like keywords."""
    theirs: Fields = {
        "type": "OBJECT",
        "propertyOrdering": ["type"],
        "properties": {
            "type": {"type": "STRING", "enum": ["A"], "nullable": True},
            "items": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int64"}, "minItems": "1"},
            "any": {"anyOf": [{"type": "NUMBER"}], "nullable": True},
            "odd": 3,
        },
        "required": ["type"],
        "additionalProperties": {"type": "STRING"},
    }
    assert json_schema(theirs) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", None]},
            "items": {"type": "array", "items": {"type": "integer", "format": "int64"}, "minItems": 1},
            "any": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "odd": 3,
        },
        "required": ["type"],
        "additionalProperties": {"type": "string"},
    }


COMPLAINTS: list[tuple[Fields, str]] = [
    ({"contents": []}, "contents: expected at least one content"),
    ({"contents": None}, "contents"),
    ({"contents": "hi"}, "contents: expected an array"),
    ({"contents": ["hi"]}, r"contents\[0\]: expected an object"),
    ({"contents": [{"role": "pirate"}]}, r"contents\[0\]\.role: expected one of user"),
    ({"contents": [content({})]}, r"contents\[0\]\.parts\[0\]\.text"),
    ({"contents": [content({"text": 3})]}, r"contents\[0\]\.parts\[0\]\.text"),
    ({"contents": [content({"functionCall": {}})]}, r"contents\[0\]\.parts\[0\]\.functionCall\.name"),
    (
        {"contents": [content({"functionResponse": {"name": "x", "response": []}})]},
        r"contents\[0\]\.parts\[0\]\.functionR",
    ),
    ({"contents": [content({"inlineData": {"mimeType": "image/x"}})]}, r"contents\[0\]\.parts\[0\]\.inlineData\.data"),
    ({"systemInstruction": {"parts": [{}]}}, r"systemInstruction\.parts\[0\]\.text"),
    ({"systemInstruction": 3}, "systemInstruction"),
    ({"tools": [{"functionDeclarations": [{}]}]}, r"tools\[0\]\.functionDeclarations\[0\]\.name"),
    ({"tools": [{"functionDeclarations": [{"name": "x", "parameters": []}]}]}, r"tools\[0\]\.functionDecl.*parameters"),
    (
        {"toolConfig": {"functionCallingConfig": {"mode": "X"}}},
        r"toolConfig\.functionCallingConfig\.mode: expected one",
    ),
    ({"generationConfig": {"candidateCount": 2}}, r"generationConfig\.candidateCount: expected 1"),
    ({"generationConfig": {"temperature": "hot"}}, r"generationConfig\.temperature"),
    ({"generationConfig": {"stopSequences": [1]}}, r"generationConfig\.stopSequences\[0\]"),
    ({"generationConfig": {"thinkingConfig": 1}}, r"generationConfig\.thinkingConfig"),
    ({"cachedContent": "cachedContents/x"}, "cachedContent: expected null: nothing is cached, send all contents"),
]


@pytest.mark.parametrize(("change", "place"), COMPLAINTS)
def test_a_complaint_names_the_place(change: Fields, place: str) -> None:
    """What is wrong with a request, or cannot be had here, is said with its place and what to do instead."""
    with pytest.raises(DialectError, match=f"^{place}"):
        decode({**body(HI), **change})


def test_nesting_is_bounded() -> None:
    """A body nested deeper than the limit is refused wherever it is, one at the limit is not."""

    def nested(depth: int, name: str = "x") -> Fields:
        deep: Fields = {}
        for _ in range(depth - 1):
            deep = {name: deep}
        return deep

    def places(depth: int) -> list[Fields]:
        tool = {"name": "x", "parameters": nested(depth, "items")}
        return [
            body(HI, deep=nested(depth)),
            body(content({"functionCall": {"name": "x", "args": nested(depth)}})),
            body(content({"functionResponse": {"name": "x", "response": nested(depth)}})),
            body(HI, tools=[{"functionDeclarations": [tool]}]),
        ]

    for fields in places(MAX_DEPTH - 10):
        assert decode(fields).model == "m"
    for fields in (*places(MAX_DEPTH + 1), *places(900)):
        with pytest.raises(DialectError, match="nesting"):
            decode(fields)


@given(st.binary(max_size=200))
def test_bytes_are_refused_in_order(data: bytes) -> None:
    """Arbitrary bytes raise `DialectError` and nothing else."""
    with pytest.raises(DialectError):
        GoogleDialect().decode(asked(), data)


@given(JSON, st.sampled_from(sorted(EVERYTHING)))
def test_any_value_in_any_place(value: object, name: str) -> None:
    """Any JSON in any field of a good body is understood, and can go to an upstream, or refused in order."""
    _decode_or_refuse({**EVERYTHING, name: value})


FIELDS = [
    *("role", "parts", "text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "mime_type"),
    *("functionResponse", "name", "args", "id", "response", "output", "error", "data", "mimeType", "fileUri", "type"),
    *("functionDeclarations", "parameters", "parametersJsonSchema", "properties", "items", "anyOf", "nullable"),
    *("functionCallingConfig", "mode", "allowedFunctionNames", "thinkingConfig", "includeThoughts", "enum", "minItems"),
]
LIKELY = st.recursive(
    st.sampled_from(["user", "model", "image/png", "AUTO", "ANY", "STRING"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=25,
)


@given(st.lists(LIKELY, max_size=3), st.lists(LIKELY, max_size=3), LIKELY, LIKELY)
def test_almost_good_requests(parts: list[Any], tools: list[Any], config: object, generation: object) -> None:
    """Parts and tools that have the right words in wrong places are understood or refused with `DialectError`."""
    contents: list[Fields] = [{"parts": parts}, {"role": "model", "parts": parts}, HI]
    _decode_or_refuse(body(*contents, tools=tools, toolConfig=config, generationConfig=generation))


def _decode_or_refuse(fields: Fields) -> None:
    try:
        call = decode(fields, asked("streamGenerateContent"))
    except DialectError:
        return
    assert chat_request.encode(call, "m")["model"] == "m"
    assert fingerprint(call)
    assert GoogleDialect().stream(call).content_type == "application/json"
