"""Chat completions: what agents get, in one piece or streamed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import chat_reply, sse
from greenroom.interception.dialects.chat import ChatDialect
from greenroom.interception.errors import UNANSWERABLE, UNAUTHORIZED, UNAVAILABLE
from greenroom.messages import Completion, ModelCall, Text, Thinking, ToolUse, Usage
from tests.interception.talk import events, reassemble
from tests.interception.test_sse import cut

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
PARTS = WORDS.map(Text) | WORDS.map(Thinking) | st.builds(ToolUse, WORDS, WORDS, WORDS)
COMPLETIONS = st.builds(
    Completion,
    parts=st.lists(PARTS).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
)
CALL = ModelCall(id="r.1.0", dialect="chat", model="m", messages=(), extra={"stream_options": {"include_usage": True}})


def streamed(completion: Completion, call: ModelCall = CALL, piece: int = 4096) -> bytes:
    """The whole stream, with keep-alives at the place they have."""
    stream = chat_reply.ChatStream(call, piece)
    waiting = stream.opening() + stream.keepalive() + stream.keepalive()
    return waiting + b"".join(stream.body(completion)) + stream.closing()


@given(COMPLETIONS, st.integers(1, 7), st.lists(st.integers(min_value=0)))
def test_a_stream_amounts_to_the_reply_in_one_piece(completion: Completion, piece: int, places: list[int]) -> None:
    """A streamed reply, put together again, is the one that is not streamed, however text and bytes are cut."""
    parser = sse.Parser()
    found = [event.data for part in cut(streamed(completion, piece=piece), places) for event in parser.feed(part)]
    assert reassemble(found) == json.loads(chat_reply.encode(completion, CALL))


def test_tokens_stay_with_the_owner() -> None:
    """Token ids and log-probabilities are for whoever trains, and never reach the agent."""
    completion = Completion(
        parts=(Text("x"),), prompt_token_ids=(31337,), completion_token_ids=(31338,), logprobs=(-0.6789,)
    )
    for reply in (streamed(completion), chat_reply.encode(completion, CALL)):
        assert not [secret for secret in (b"token_ids", b"31337", b"31338", b"0.6789") if secret in reply]


def test_usage_is_streamed_when_asked_for() -> None:
    """The token counts end a stream if, and only if, ``stream_options.include_usage`` asks for them."""
    completion = Completion(parts=(Text("x"),), usage=Usage(3, 4))
    last = json.loads(events(streamed(completion))[-2])
    assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})
    plain = ModelCall(id="r.1.0", dialect="chat", model="m", messages=())
    assert not any("usage" in event for event in events(streamed(completion, plain)))


def test_parallel_tool_calls_have_indexes() -> None:
    """Each of several tool calls keeps its own index through its chunks, so that agents can tell them apart."""
    completion = Completion(parts=(ToolUse("a", "ls", "{}"), ToolUse("b", "cat", '{"path": "x"}')))
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events(streamed(completion, piece=4))[1:-3]]
    calls = [(call["index"], call.get("id")) for delta in deltas for call in delta["tool_calls"]]
    assert calls == [(0, "a"), (0, None), (1, "b"), (1, None), (1, None), (1, None), (1, None)]


def test_a_forgotten_finish_reason() -> None:
    """An answer with tool calls finishes with ``tool_calls`` even if its owner left the reason at ``stop``."""
    assert chat_reply.finish_reason(Completion(parts=(ToolUse("a", "ls", ""),))) == "tool_calls"
    assert chat_reply.finish_reason(Completion(parts=(ToolUse("a", "ls", ""),), finish_reason="length")) == "length"


def test_forgotten_tool_call_ids() -> None:
    """Tool calls whose owner gave them no id get different ones, the same in every reply to the call."""
    completion = Completion(parts=(ToolUse("", "ls", "{}"), ToolUse("", "ls", "{}")))
    ids = [
        call["id"] for call in json.loads(chat_reply.encode(completion, CALL))["choices"][0]["message"]["tool_calls"]
    ]
    assert ids == ["call_0_0", "call_0_1"]


def test_an_empty_answer_has_content() -> None:
    """An answer that says nothing still has a string as its content, which agents rely on."""
    assert json.loads(chat_reply.encode(Completion(), CALL))["choices"][0]["message"]["content"] == ""


def test_errors_have_the_shape_of_the_dialect() -> None:
    """Errors are objects of the dialect's shape, in a body and within a stream."""
    for refusal, kind in ((UNAUTHORIZED, "authentication_error"), (UNAVAILABLE, "server_error")):
        inner = json.loads(chat_reply.error(refusal))["error"]
        assert (inner["type"], inner["message"]) == (kind, refusal.message)
        streamed = json.loads(events(chat_reply.ChatStream(CALL).error(refusal))[0])["error"]
        assert streamed == {**inner, "code": refusal.status}


@pytest.mark.parametrize("sign", ["server", "internal", "retry", "timeout", "500", "unavailable", "limit", "overload"])
def test_a_lasting_error_does_not_sound_like_a_passing_one(sign: str) -> None:
    """Within a stream agents tell the two apart by the words, so the lasting one has none of the passing one's."""
    assert sign not in UNANSWERABLE.message.lower()
    assert "please retry your request" in UNAVAILABLE.message.lower()


def test_the_list_of_models() -> None:
    """The one model there is can be listed and looked up."""
    dialect = ChatDialect()
    assert json.loads(chat_reply.models("qwen"))["data"][0]["id"] == "qwen"
    assert json.loads(chat_reply.model("qwen"))["id"] == "qwen"
    paths = ("/v1/models", "/v1/models/qwen", "/v1/chat/completions", "/v1/other", "/v1/chat/completions/", "/")
    found = [dialect.operation(path) for path in paths]
    assert [operation and operation.name for operation in found] == ["models", "model", "complete", None, None, None]
