"""Google: what agents get, in one piece or streamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import GoogleDialect, find, google_reply, sse
from greenroom.interception.dialects.arguments import INVALID_JSON
from greenroom.interception.dialects.google_stream import GoogleArray, GoogleStream
from greenroom.interception.errors import FLOOD, NOT_FOUND, TOO_LARGE, UNANSWERABLE, UNAUTHORIZED, UNAVAILABLE, Refusal
from greenroom.messages import ChatMessage, Completion, FinishReason, ModelCall, Text, Thinking, ToolUse, Usage
from tests.interception.talk import Fields
from tests.interception.test_google_request import HI, body, content, decode
from tests.interception.test_sse import cut

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
OBJECTS = st.dictionaries(WORDS, WORDS | st.integers() | st.booleans() | st.none() | st.lists(WORDS, max_size=2))
WRITTEN = OBJECTS.map(lambda given: json.dumps(given, ensure_ascii=False))
PARTS = (
    WORDS.map(Text) | st.builds(Thinking, WORDS, st.none() | WORDS) | st.builds(ToolUse, WORDS, WORDS, WORDS | WRITTEN)
)
COMPLETIONS = st.builds(
    Completion,
    parts=st.lists(PARTS).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
THOUGHTS = {"thinkingConfig": {"includeThoughts": True}}
CALL = decode(body(HI, generationConfig=THOUGHTS))


def streamed(completion: Completion, stream: GoogleStream | None = None) -> bytes:
    """The whole stream, with keep-alives at the place they have."""
    stream = stream or GoogleStream(CALL)
    waiting = stream.opening() + stream.keepalive() + stream.keepalive()
    return waiting + b"".join(stream.body(completion)) + stream.closing()


def whole(completion: Completion, call: ModelCall = CALL) -> Fields:
    """The reply in one piece."""
    fields: Fields = json.loads(google_reply.encode(completion, call))
    return fields


def parts(*parts: Text | Thinking | ToolUse, call: ModelCall = CALL) -> list[Fields]:
    """What the agent gets of an answer with these parts."""
    found: list[Fields] = whole(Completion(parts=parts), call)["candidates"][0]["content"]["parts"]
    return found


def reassemble(chunks: Iterable[Fields], ends: Iterable[int]) -> Fields:
    """The reply in one piece that a stream's responses amount to. Only how parts were cut has to be known: ``ends``."""
    pieces: list[Fields] = []
    last: Fields = {}
    for last in chunks:
        [candidate] = last["candidates"]
        assert candidate["content"]["role"] == "model"
        pieces += candidate["content"]["parts"]
    done: list[Fields] = []
    for end in ends:
        group, pieces = pieces[:end], pieces[end:]
        assert not [piece for piece in group[:-1] if set(piece) - {"text", "thought"}]
        assert len({piece.get("thought") for piece in group}) == 1
        text = {"text": "".join(piece["text"] for piece in group)} if "text" in group[-1] else {}
        done.append({**group[-1], **text})
    assert pieces == []
    return {**last, "candidates": [{**last["candidates"][0], "content": {"parts": done, "role": "model"}}]}


def counts(reply: Fields, piece: int) -> list[int]:
    """In how many pieces each part of a reply is streamed."""
    return [-(-len(part.get("text", "")) // piece) or 1 for part in reply["candidates"][0]["content"]["parts"]]


@given(COMPLETIONS, st.integers(1, 7), st.lists(st.integers(min_value=0)))
def test_a_stream_amounts_to_the_reply_in_one_piece(completion: Completion, piece: int, places: list[int]) -> None:
    """A streamed reply, put together again, is the one that is not streamed, however text and bytes are cut."""
    parser, reply = sse.Parser(), whole(completion)
    stream = streamed(completion, GoogleStream(CALL, piece))
    found = [json.loads(event.data) for part in cut(stream, places) for event in parser.feed(part)]
    assert reassemble(found, counts(reply, piece)) == reply


@given(COMPLETIONS, st.integers(1, 7))
def test_an_array_amounts_to_the_reply_in_one_piece(completion: Completion, piece: int) -> None:
    """A reply streamed as an array is valid JSON, and put together again the one that is not streamed."""
    reply = whole(completion)
    found = json.loads(streamed(completion, GoogleArray(CALL, piece)))
    assert reassemble(found, counts(reply, piece)) == reply


SAID = WORDS.filter(bool)
THOUGHT = st.lists(st.builds(Thinking, SAID, st.none() | SAID), max_size=1)
TEXT = st.lists(SAID.map(Text), max_size=1)
CALLS = st.lists(st.builds(ToolUse, SAID, WORDS, WRITTEN | SAID.map(lambda text: "{" + text)))


def together(thought: list[Thinking], text: list[Text], calls: list[ToolUse]) -> tuple[Text | Thinking | ToolUse, ...]:
    """An answer of these parts."""
    return (*thought, *text, *calls)


TOLD = st.builds(together, THOUGHT, TEXT, CALLS).filter(bool)


@given(TOLD, st.integers(1, 7))
def test_what_comes_back_is_what_was_said(parts: tuple[Text | Thinking | ToolUse, ...], piece: int) -> None:
    """An answer the agent sends back, whole or in the pieces it was streamed in, is the same to the model's owner."""
    completion = Completion(parts=parts)
    kept = [whole(completion)["candidates"][0]["content"]]
    stream = sse.Parser().feed(streamed(completion, GoogleStream(CALL, piece)))
    pieces = [json.loads(event.data)["candidates"][0]["content"] for event in stream]
    for contents in (kept, pieces):
        assert decode(body(HI, *contents)).messages[1:] == (ChatMessage("assistant", parts),)


def test_keep_alives_are_empty_lines() -> None:
    """While an answer is awaited only empty lines are sent: Google's Python client takes a comment for data."""
    stream = GoogleStream(CALL)
    assert (stream.opening() + stream.keepalive()).strip() == b""
    assert sse.Parser().feed(stream.opening() + stream.keepalive()) == []


def test_the_end_is_said_once() -> None:
    """The last response of a stream, and no other, says how the answer ended and what it took."""
    completion = Completion(parts=(Text("abc"), ToolUse("a", "t", "{}")), usage=Usage(3, 4))
    stream = sse.Parser().feed(streamed(completion, GoogleStream(CALL, 2)))
    ends = [json.loads(event.data) for event in stream]
    assert [end["candidates"][0].get("finishReason") for end in ends] == [None, None, "STOP"]
    assert [end.get("usageMetadata", {}).get("totalTokenCount") for end in ends] == [None, None, 7]


@given(TOLD, st.booleans())
def test_thoughts_come_back_with_the_call_they_led_to(
    told: tuple[Text | Thinking | ToolUse, ...],
    shown: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Agents that never saw the reasoning behind a call, or drop it, send it back all the same, to its owner alone."""
    call = CALL if shown else decode(body(HI))
    kept = [part for part in parts(*told, ToolUse("a", "t", "{}"), call=call) if not part.get("thought")]
    assert decode(body(HI, content(*kept, role="model"))).messages[1].parts == (*told, ToolUse("a", "t", "{}"))


def test_thoughts_are_for_those_who_ask() -> None:
    """Reasoning is sent if, and only if, the request asks for it; its signature is bytes to the dialect."""
    signed = base64.b64encode(b"sig").decode()
    assert parts(Thinking("hm", "sig"), Text("x")) == [
        {"text": "hm", "thought": True, "thoughtSignature": signed},
        {"text": "x"},
    ]
    assert parts(Thinking("hm", "sig"), Text("x"), call=decode(body(HI))) == [{"text": "x"}]


FINISHES: list[tuple[FinishReason, str]] = [
    ("stop", "STOP"),
    ("tool_calls", "STOP"),
    ("length", "MAX_TOKENS"),
    ("content_filter", "SAFETY"),
]


@pytest.mark.parametrize(("finish", "reason"), FINISHES)
def test_every_finish_reason_has_its_word(finish: FinishReason, reason: str) -> None:
    """Each neutral finish reason is one of the dialect's; calls of functions need none of their own."""
    assert whole(Completion(finish_reason=finish))["candidates"][0]["finishReason"] == reason


def test_an_empty_answer_has_a_part() -> None:
    """An answer that says nothing is an empty text, and parts that say nothing are left out beside others."""
    assert parts() == [{"text": ""}]
    assert [*map(set, parts(Text(""), Thinking(""), ToolUse("a", "t", "")))] == [{"functionCall"}]


def test_forgotten_ids() -> None:
    """Tool calls whose owner gave them no id get different ones, which are those they have if the agent drops them."""
    found = parts(ToolUse("", "t", "{}"), Text("x"), ToolUse("", "t", "{}"))
    assert [part.get("functionCall", {}).get("id") for part in found] == ["call_0_0", None, "call_0_1"]
    for part in found:
        part.get("functionCall", {}).pop("id", None)
    [_, turn] = decode(body(HI, content(*found, role="model"))).messages
    assert [part.id for part in turn.parts if isinstance(part, ToolUse)] == ["call_0_0", "call_0_1"]


@pytest.mark.parametrize("arguments", ["{oops", "[1]", '"x"', '{"x": NaN}', '{"x":' * 200 + "1" + "}" * 200])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """Arguments the dialect has no room for reach the agent in an object that says so."""
    [part] = parts(ToolUse("a", "t", arguments))
    assert part["functionCall"]["args"] == {INVALID_JSON: arguments}


def test_token_counts() -> None:
    """Token counts have the dialect's names, those read from a cache among them."""
    assert whole(Completion(usage=Usage(10, 3, 4)))["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 3,
        "totalTokenCount": 13,
        "cachedContentTokenCount": 4,
    }


def test_tokens_stay_with_the_owner() -> None:
    """Token ids and log-probabilities are for whoever trains, and never reach the agent."""
    completion = Completion(
        parts=(Text("x"),), prompt_token_ids=(31337,), completion_token_ids=(31338,), logprobs=(-0.6789,)
    )
    for reply in (streamed(completion), google_reply.encode(completion, CALL)):
        assert not [secret for secret in (b"token_ids", b"31337", b"31338", b"0.6789") if secret in reply]


REFUSALS: list[tuple[Refusal, int, str]] = [
    (UNAUTHORIZED, 401, "UNAUTHENTICATED"),
    (NOT_FOUND, 404, "NOT_FOUND"),
    (TOO_LARGE, 413, "INVALID_ARGUMENT"),
    (FLOOD, 429, "RESOURCE_EXHAUSTED"),
    (UNAVAILABLE, 500, "INTERNAL"),
    (UNANSWERABLE, 400, "INVALID_ARGUMENT"),
    (Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "no"), 405, "UNIMPLEMENTED"),
]


@pytest.mark.parametrize(("refusal", "code", "status"), REFUSALS)
def test_errors_have_the_shape_of_the_dialect(refusal: Refusal, code: int, status: str) -> None:
    """An error is an object of the dialect's shape, in a body, in a stream, where no event is, and in an array."""
    error = {"error": {"code": code, "message": refusal.message, "status": status}}
    assert json.loads(GoogleDialect().error(refusal)) == error
    stream = GoogleStream(CALL)
    assert json.loads(stream.opening() + stream.keepalive() + stream.error(refusal)) == error
    array = GoogleArray(CALL)
    assert json.loads(array.opening() + array.keepalive() + array.error(refusal)) == [error]


PATHS: list[tuple[str, bool, str, str]] = [
    ("/v1beta/models/m:generateContent", False, "google", "complete"),
    ("/v1/models/org/m:streamGenerateContent", False, "google", "complete"),
    ("/v1beta/models/qwen3:8b:countTokens", False, "google", "count_tokens"),
    ("/v1beta/tunedModels/m:generateContent", False, "google", "complete"),
    ("/v1beta/models", False, "google", "models"),
    ("/v1beta/models/qwen3:8b", False, "google", "model"),
    ("/v1/models", True, "google", "models"),
    ("/v1/models/m", True, "google", "model"),
    ("/v1/models", False, "chat", "models"),
    ("/v1/models/m", False, "chat", "model"),
    ("/v1beta/models/m:embedContent", False, "google", "model"),
]


@pytest.mark.parametrize(("path", "signed", "dialect", "operation"), PATHS)
def test_paths(path: str, signed: bool, dialect: str, operation: str) -> None:  # noqa: FBT001 - a parameter
    """Paths of this dialect alone are found by themselves, those it shares by the header its clients send."""
    found = find(path, {"x-goog-api-key": "k"} if signed else {})
    assert found is not None
    assert (found[0].name, found[1].name) == (dialect, operation)
