"""OpenAI Responses: what agents get, in one piece or streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import ResponsesDialect, responses_reply, responses_request, sse
from greenroom.interception.dialects.responses_input import UNSIGNED
from greenroom.interception.dialects.responses_stream import ResponsesStream
from greenroom.interception.errors import UNANSWERABLE, UNAUTHORIZED, UNAVAILABLE
from greenroom.messages import ChatMessage, Completion, FinishReason, Text, Thinking, ToolUse, Usage
from tests.interception.talk import Fields
from tests.interception.test_responses_request import EVERYTHING, decode
from tests.interception.test_sse import cut

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.sampled_from(["bash", "patch", "mcp__t__ping", "unknown"])
FREE = WORDS | WORDS.map(lambda text: json.dumps({"input": text}))
PARTS = WORDS.map(Text) | st.builds(Thinking, WORDS, st.none() | WORDS) | st.builds(ToolUse, WORDS, NAMES, FREE)
COMPLETIONS = st.builds(
    Completion,
    parts=st.lists(PARTS).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
CALL = decode(EVERYTHING)


def streamed(completion: Completion, piece: int = 4096) -> bytes:
    """The whole stream, with keep-alives at the place they have."""
    stream = ResponsesStream(CALL, piece)
    waiting = stream.opening() + stream.keepalive() + stream.keepalive()
    return waiting + b"".join(stream.body(completion)) + stream.closing()


def whole(completion: Completion) -> Fields:
    """The reply in one piece."""
    fields: Fields = json.loads(responses_reply.encode(completion, CALL))
    return fields


def output(*parts: Text | Thinking | ToolUse) -> list[Fields]:
    """The items of an answer with these parts."""
    items: list[Fields] = whole(Completion(parts=parts))["output"]
    return items


def kinds(stream: bytes) -> list[str]:
    """The names of a stream's events, without what they all begin with."""
    return [event.name.removeprefix("response.") for event in sse.Parser().feed(stream)]


def reassemble(events: Iterable[sse.ServerSentEvent]) -> Fields:
    """The response that a stream amounts to, put together from its pieces alone as a client that shows them does.

    What ``done`` events repeat has to be what the pieces amount to.
    """
    response: Fields = {}
    for number, event in enumerate(events):
        data = json.loads(event.data)
        assert (data["type"], data["sequence_number"]) == (event.name, number)
        if "response" in data:
            shown = response.get("output", [])
            response = data["response"]
            assert shown == response["output"]
        else:
            _take(response["output"], data)
    return response


PLACES = {
    "output_text": ("content", "content_index", "text"),
    "reasoning_summary_text": ("summary", "summary_index", "text"),
    "function_call_arguments": (None, None, "arguments"),
    "custom_tool_call_input": (None, None, "input"),
    "content_part": ("content", "content_index", None),
    "reasoning_summary_part": ("summary", "summary_index", None),
}


def _take(items: list[Fields], data: Fields) -> None:
    at: int = data["output_index"]
    place, step = str(data["type"]).removeprefix("response.").split(".")
    if place != "output_item":
        assert data["item_id"] == items[at]["id"]
        _take_piece(items[at], *PLACES[place], step, data)
    elif step == "added":
        assert at == len(items)
        assert data["item"].get("status") in (None, "in_progress")
        items.append(data["item"])
    else:
        assert {**items[at], "status": ""} == {**data["item"], "status": ""}
        items[at] = data["item"]


def _take_piece(item: Fields, inner: str | None, index: str | None, name: str | None, step: str, data: Fields) -> None:
    if inner is not None and index is not None:
        if step == "added":
            assert data[index] == len(item[inner])
            item[inner].append(data["part"])
        item = item[inner][data[index]]
    if name is None:
        assert item == data["part"]
    elif step == "delta":
        item[name] += data["delta"]
    else:
        assert item[name] == data[name]


@given(COMPLETIONS, st.integers(1, 7), st.lists(st.integers(min_value=0)))
def test_a_stream_amounts_to_the_reply_in_one_piece(completion: Completion, piece: int, places: list[int]) -> None:
    """A streamed reply, put together again, is the one that is not streamed, however text and bytes are cut."""
    parser = sse.Parser()
    found = [event for part in cut(streamed(completion, piece), places) for event in parser.feed(part)]
    assert reassemble(found) == whole(completion)


SAID = WORDS.filter(bool)
SIGNATURES = st.none() | SAID.filter(lambda signature: signature != UNSIGNED)
TOLD = (
    SAID.map(Text)
    | st.builds(Thinking, SAID, SIGNATURES)
    | SAID.map(lambda signature: Thinking("", signature, redacted=True))
    | st.builds(ToolUse, SAID, st.sampled_from(["bash", "mcp__t__ping", "unknown"]), WORDS)
    | st.builds(ToolUse, SAID, st.just("patch"), SAID.map(lambda text: json.dumps({"input": text}, ensure_ascii=False)))
)


@given(st.lists(TOLD, min_size=1).map(tuple))
def test_what_comes_back_is_what_was_said(parts: tuple[Text | Thinking | ToolUse, ...]) -> None:
    """An answer that the agent sends back is the same to the model's owner: reasoning, signatures, exact arguments."""
    items = whole(Completion(parts=parts))["output"]
    body = json.dumps({"model": "m", "input": items}).encode()
    assert responses_request.decode(body).messages == (ChatMessage("assistant", parts),)


def test_the_whole_sequence_of_events() -> None:
    """Every item is announced, filled and finished by the events the API has for its kind, in their order."""
    parts = (Thinking("hm"), Text("so"), ToolUse("a", "bash", "{}"), ToolUse("b", "patch", '{"input": "x"}'))
    item = ("output_item.added", "output_item.done")
    assert kinds(streamed(Completion(parts=parts))) == [
        *("created", "in_progress", "in_progress", "in_progress"),
        *(item[0], "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *("reasoning_summary_part.done", item[1]),
        *(item[0], "content_part.added", "output_text.delta", "output_text.done", "content_part.done", item[1]),
        *(item[0], "function_call_arguments.delta", "function_call_arguments.done", item[1]),
        *(item[0], "custom_tool_call_input.delta", "custom_tool_call_input.done", item[1]),
        "completed",
    ]


def test_the_first_events_need_no_answer() -> None:
    """A stream begins with a response that is in progress, before anything is known of the answer."""
    created, going = sse.Parser().feed(ResponsesStream(CALL).opening())
    response = json.loads(created.data)["response"]
    assert (response["status"], response["output"], response["usage"]) == ("in_progress", [], None)
    assert json.loads(going.data)["response"] == response


def test_tools_go_back_by_the_names_agents_know() -> None:
    """A call of a tool in a namespace names both, and one of a custom tool gives it its text as it is."""
    ping, patch, odd = output(
        ToolUse("a", "mcp__t__ping", "{}"), ToolUse("b", "patch", '{"input": "x\\ny"}'), ToolUse("c", "patch", "oops")
    )
    assert (ping["type"], ping["namespace"], ping["name"]) == ("function_call", "mcp__t", "ping")
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "patch", "x\ny")
    assert odd["input"] == "oops"


def test_reasoning_can_be_sent_back() -> None:
    """Reasoning always has encrypted content, its signature or a stand-in: agents drop reasoning that has none."""
    assert [item["encrypted_content"] for item in output(Thinking("a", "sig"), Thinking("b"))] == ["sig", UNSIGNED]


ENDS: list[tuple[FinishReason, str, Fields | None]] = [
    ("stop", "completed", None),
    ("tool_calls", "completed", None),
    ("length", "incomplete", {"reason": "max_output_tokens"}),
    ("content_filter", "incomplete", {"reason": "content_filter"}),
]


@pytest.mark.parametrize(("finish", "status", "details"), ENDS)
def test_how_it_ended(finish: FinishReason, status: str, details: Fields | None) -> None:
    """An answer that was cut short is incomplete, with the reason, and so is its last item and its last event."""
    completion = Completion(parts=(Text("a"), Text("b")), finish_reason=finish)
    response = whole(completion)
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert [item["status"] for item in response["output"]] == ["completed", status]
    assert kinds(streamed(completion))[-1] == status


def test_an_empty_answer_has_a_message() -> None:
    """An answer that says nothing is an empty message, and parts that say nothing are left out beside others."""
    assert [item["content"][0]["text"] for item in output()] == [""]
    assert [item["type"] for item in output(Text(""), Thinking(""), ToolUse("a", "bash", ""))] == ["function_call"]


def test_forgotten_ids() -> None:
    """Tool calls whose owner gave them no id get different ones, the same in every reply to the call."""
    items = output(ToolUse("", "ls", "{}"), Text("x"), ToolUse("", "ls", "{}"))
    assert [item.get("call_id") for item in items] == ["call_0_0", None, "call_0_1"]
    assert len({item["id"] for item in items}) == 3


def test_token_counts() -> None:
    """Token counts have the dialect's names, those read from a cache among them."""
    usage = whole(Completion(usage=Usage(10, 3, 4)))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 3, 13)
    assert usage["input_tokens_details"]["cached_tokens"] == 4


def test_tokens_stay_with_the_owner() -> None:
    """Token ids and log-probabilities are for whoever trains, and never reach the agent."""
    completion = Completion(
        parts=(Text("x"),), prompt_token_ids=(31337,), completion_token_ids=(31338,), logprobs=(-0.6789,)
    )
    for reply in (streamed(completion), responses_reply.encode(completion, CALL)):
        assert not [secret for secret in (b"token_ids", b"31337", b"31338", b"0.6789") if secret in reply]


def test_errors_have_the_shape_of_the_dialect() -> None:
    """Errors are objects of OpenAI's shape in a body."""
    for refusal, kind in ((UNAUTHORIZED, "authentication_error"), (UNAVAILABLE, "server_error")):
        inner = json.loads(ResponsesDialect().error(refusal))["error"]
        assert (inner["type"], inner["message"]) == (kind, refusal.message)


def test_errors_within_a_stream() -> None:
    """Within a stream the response has failed; by the code, codex tries again, or does not."""
    for refusal, code in ((UNAVAILABLE, "server_error"), (UNANSWERABLE, "invalid_prompt")):
        [event] = sse.Parser().feed(ResponsesStream(CALL).error(refusal))
        response = json.loads(event.data)["response"]
        assert (event.name, response["status"]) == ("response.failed", "failed")
        assert response["error"] == {"code": code, "message": refusal.message}


def test_paths() -> None:
    """The paths of responses are this dialect's, and others, of what is not kept here, are nobody's."""
    paths = ("/v1/responses", "/v1/responses/input_tokens", "/v1/responses/resp_1", "/responses", "/")
    found = [ResponsesDialect().operation(path) for path in paths]
    assert [operation and operation.name for operation in found] == ["complete", "count_tokens", None, None, None]
