"""Anthropic Messages: what agents get, in one piece or streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import AnthropicDialect, anthropic_reply, anthropic_request, find, sse
from greenroom.interception.dialects.anthropic_content import UNSIGNED
from greenroom.interception.dialects.anthropic_stream import AnthropicStream
from greenroom.interception.dialects.arguments import INVALID_JSON
from greenroom.interception.errors import FLOOD, NOT_FOUND, TOO_LARGE, UNANSWERABLE, UNAUTHORIZED, UNAVAILABLE, Refusal
from greenroom.messages import (
    ChatMessage,
    Completion,
    FinishReason,
    ModelCall,
    Sampling,
    Text,
    Thinking,
    ToolUse,
    Usage,
)
from tests.interception.talk import Fields
from tests.interception.test_chat_request import JSON
from tests.interception.test_sse import cut

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
ARGUMENTS = WORDS | st.dictionaries(WORDS, JSON, max_size=3).map(json.dumps)
PARTS = (
    WORDS.map(Text)
    | st.builds(Thinking, WORDS, st.none() | WORDS)
    | WORDS.map(lambda data: Thinking("", data, redacted=True))
    | st.builds(ToolUse, WORDS, WORDS, ARGUMENTS)
)
USAGES = st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 3))
COMPLETIONS = st.builds(
    Completion,
    parts=st.lists(PARTS).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    stop_sequence=st.sampled_from([None, "END", "eos"]),
    usage=USAGES,
)
CALL = ModelCall(id="r.1.0", dialect="anthropic", model="m", messages=(), sampling=Sampling(stop=("END",)))


def streamed(completion: Completion, piece: int = 4096) -> bytes:
    """The whole stream, with keep-alives at the place they have."""
    stream = AnthropicStream(CALL, piece)
    waiting = stream.opening() + stream.keepalive() + stream.keepalive()
    return waiting + b"".join(stream.body(completion)) + stream.closing()


def whole(completion: Completion) -> Fields:
    """The reply in one piece."""
    fields: Fields = json.loads(anthropic_reply.encode(completion, CALL))
    return fields


def reassemble(events: Iterable[sse.ServerSentEvent]) -> Fields:
    """The reply in one piece that the events of a stream amount to, as the SDKs put it together."""
    message: Fields = {}
    for event in events:
        data = json.loads(event.data)
        assert data["type"] == event.name
        if event.name == "message_start":
            message = data["message"]
        elif event.name == "message_delta":
            message |= data["delta"]
            message["usage"] |= data["usage"]
        elif event.name.startswith("content_block"):
            _block(message["content"], data)
    return message


def _block(content: list[Fields], data: Fields) -> None:
    index: int = data["index"]
    if data["type"] == "content_block_start":
        assert index == len(content)
        content.append(data["content_block"])
        return
    block = content[index]
    if data["type"] == "content_block_stop":
        if "partial" in block:
            block["input"] = json.loads(block.pop("partial"))
        return
    delta = data["delta"]
    if delta["type"] == "input_json_delta":
        block["partial"] = block.get("partial", "") + delta["partial_json"]
    elif delta["type"] == "signature_delta":
        block["signature"] += delta["signature"]  # some clients add, some replace
    else:
        name = delta["type"].removesuffix("_delta")
        block[name] += delta[name]


@given(COMPLETIONS, st.integers(1, 7), st.lists(st.integers(min_value=0)))
def test_a_stream_amounts_to_the_reply_in_one_piece(completion: Completion, piece: int, places: list[int]) -> None:
    """A streamed reply, put together again, is the one that is not streamed, however text and bytes are cut."""
    parser = sse.Parser()
    found = [event for part in cut(streamed(completion, piece), places) for event in parser.feed(part)]
    assert reassemble(found) == whole(completion)
    assert found[-1].name == "message_stop"


def _is_broken(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return True
    return False


SAID = WORDS.filter(bool)
OBJECTS = st.dictionaries(WORDS, WORDS | st.integers() | st.booleans() | st.none() | st.lists(WORDS, max_size=2))
# Arguments that are an object come back as one, without the blanks that a model wrote between its words.
WRITTEN = OBJECTS.map(lambda given: json.dumps(given, ensure_ascii=False)) | SAID.map("{{{}".format).filter(_is_broken)
TOLD = (
    SAID.map(Text)
    | st.builds(Thinking, SAID, st.none() | SAID)
    | st.builds(Thinking, st.just(""), SAID)
    | SAID.map(lambda data: Thinking("", data, redacted=True))
    | st.builds(ToolUse, SAID, WORDS, WRITTEN)
)


@given(st.lists(TOLD).map(tuple))
def test_what_comes_back_is_what_was_said(parts: tuple[Text | Thinking | ToolUse, ...]) -> None:
    """An answer that the agent sends back is the same to the model's owner: thinking, signatures, exact arguments."""
    content = whole(Completion(parts=parts))["content"]
    body = json.dumps({"model": "m", "messages": [{"role": "assistant", "content": content}]}).encode()
    assert anthropic_request.decode(body).messages == (ChatMessage("assistant", parts),)


def test_the_first_events_need_no_answer() -> None:
    """A stream begins with ``message_start`` and a ping, before anything is known of the answer."""
    start, ping = sse.Parser().feed(AnthropicStream(CALL).opening())
    assert (start.name, ping.name) == ("message_start", "ping")
    message = json.loads(start.data)["message"]
    assert (message["role"], message["content"], message["stop_reason"]) == ("assistant", [], None)


def test_keep_alives_are_events_that_clients_let_through() -> None:
    """A keep-alive is an event SDKs hand on, unlike comments and pings, so that agents do not give a stream up."""
    [event] = sse.Parser().feed(AnthropicStream(CALL).keepalive())
    assert event.name == "message_delta"
    assert json.loads(event.data)["delta"] == {"stop_reason": None, "stop_sequence": None, "stop_details": None}


def test_tokens_stay_with_the_owner() -> None:
    """Token ids and log-probabilities are for whoever trains, and never reach the agent."""
    completion = Completion(
        parts=(Text("x"),), prompt_token_ids=(31337,), completion_token_ids=(31338,), logprobs=(-0.6789,)
    )
    for reply in (streamed(completion), anthropic_reply.encode(completion, CALL)):
        assert not [secret for secret in (b"token_ids", b"31337", b"31338", b"0.6789") if secret in reply]


USE = ToolUse("a", "ls", "{}")
REASONS: list[tuple[Completion, str, str | None]] = [
    (Completion(), "end_turn", None),
    (Completion(parts=(USE,)), "tool_use", None),
    (Completion(parts=(USE,), finish_reason="length"), "max_tokens", None),
    (Completion(stop_sequence="END"), "stop_sequence", "END"),
    (Completion(stop_sequence="eos"), "end_turn", None),
    (Completion(parts=(USE,), stop_sequence="END"), "tool_use", None),
    (Completion(finish_reason="length", stop_sequence="END"), "max_tokens", None),
]


@pytest.mark.parametrize(("completion", "reason", "sequence"), REASONS)
def test_why_it_stopped(completion: Completion, reason: str, sequence: str | None) -> None:
    """An answer with tool calls says ``tool_use`` even if its owner forgot; a stop text is named where it is known."""
    message = whole(completion)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)


PLAIN: list[tuple[FinishReason, str]] = [("length", "max_tokens"), ("tool_calls", "tool_use")]


@pytest.mark.parametrize(("finish", "reason"), [*PLAIN, ("content_filter", "refusal")])
def test_every_finish_reason_has_its_word(finish: FinishReason, reason: str) -> None:
    """Each neutral finish reason is one of the dialect's stop reasons."""
    assert whole(Completion(finish_reason=finish))["stop_reason"] == reason


def test_cached_tokens_are_counted_apart() -> None:
    """Tokens from a cache are not among the input tokens in this dialect; all together are the prompt's."""
    assert whole(Completion(usage=Usage(10, 3, 4)))["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 3,
    }


def test_forgotten_ids() -> None:
    """Tool calls whose owner gave them no id get different ones, the same in every reply to the call."""
    completion = Completion(parts=(ToolUse("", "ls", "{}"), Text("x"), ToolUse("", "ls", "{}")))
    assert [block.get("id") for block in whole(completion)["content"]] == ["toolu_0_0", None, "toolu_0_1"]


def test_thinking_is_always_signed() -> None:
    """Thinking nobody signed gets a signature: without one, agents send it back as if it had been said aloud."""
    [block] = whole(Completion(parts=(Thinking("hm"),)))["content"]
    assert block == {"type": "thinking", "thinking": "hm", "signature": UNSIGNED}


def test_parts_that_say_nothing_are_left_out() -> None:
    """There are no empty blocks, which the API would not take back."""
    assert whole(Completion(parts=(Text(""), Thinking(""))))["content"] == []


DEEP = '{"x":' * 200 + "1" + "}" * 200


@pytest.mark.parametrize("arguments", ["{oops", "[1]", '"x"', "NaN", '{"x": NaN}', '{"x": "\\ud83d"}', DEEP])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """Arguments an agent could not read, or not send back, reach it as an object that says so, as documented."""
    assert whole(Completion(parts=(ToolUse("a", "ls", arguments),)))["content"][0]["input"] == {INVALID_JSON: arguments}


def test_no_arguments() -> None:
    """A tool call without arguments has an empty object."""
    assert whole(Completion(parts=(ToolUse("a", "ls", " "),)))["content"][0]["input"] == {}


REFUSALS: list[tuple[Refusal, str]] = [
    (UNAUTHORIZED, "authentication_error"),
    (NOT_FOUND, "not_found_error"),
    (TOO_LARGE, "request_too_large"),
    (FLOOD, "rate_limit_error"),
    (UNAVAILABLE, "api_error"),
    (UNANSWERABLE, "invalid_request_error"),
    (Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "no"), "invalid_request_error"),
]


@pytest.mark.parametrize(("refusal", "kind"), REFUSALS)
def test_errors_have_the_shape_of_the_dialect(refusal: Refusal, kind: str) -> None:
    """An error is an object of the dialect's shape, with the type that belongs to its status."""
    body = json.loads(AnthropicDialect().error(refusal))
    assert body == {"type": "error", "error": {"type": kind, "message": refusal.message}}


def test_errors_within_a_stream() -> None:
    """An error in a stream is an ``error`` event; a passing one is of the type after which agents stream again."""
    for refusal, kind in ((UNAVAILABLE, "overloaded_error"), (UNANSWERABLE, "invalid_request_error")):
        [event] = sse.Parser().feed(AnthropicStream(CALL).error(refusal))
        assert event.name == "error"
        assert json.loads(event.data) == {"type": "error", "error": {"type": kind, "message": refusal.message}}


PATHS: list[tuple[str, bool, str, str]] = [
    ("/v1/messages", False, "anthropic", "complete"),
    ("/v1/messages/count_tokens", False, "anthropic", "count_tokens"),
    ("/v1/models", True, "anthropic", "models"),
    ("/v1/models", False, "chat", "models"),
    ("/v1/models/qwen", True, "anthropic", "model"),
    ("/v1/chat/completions", True, "chat", "complete"),
]


@pytest.mark.parametrize(("path", "signed", "dialect", "operation"), PATHS)
def test_paths(path: str, signed: bool, dialect: str, operation: str) -> None:  # noqa: FBT001 - a parameter
    """Paths of this dialect alone are found by themselves, shared ones by the header its clients send."""
    found = find(path, {"anthropic-version": "2023-06-01"} if signed else {})
    assert found is not None
    assert (found[0].name, found[1].name) == (dialect, operation)


def test_other_paths() -> None:
    """Paths that are nearly right belong to nobody."""
    for path in ("/v1/messages/", "/v1/message", "/messages", "/v1/messages/batches", "/"):
        assert find(path, {"anthropic-version": "2023-06-01"}) is None
