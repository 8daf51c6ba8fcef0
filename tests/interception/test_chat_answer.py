"""Answers of chat completions, in the shapes that servers give them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.verdict import Failure, judge
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage
from tests.interception.test_chat_request import JSON

KEY = "sk-needle-0123456789abcdef"
CALLS = [
    {"index": 0, "id": "a", "type": "function", "function": {"name": "ls", "arguments": "{}"}},
    {"index": 1, "id": "b", "type": "function", "function": {"name": "cat", "arguments": '{"a":1}'}},
]
USES = (ToolUse("a", "ls", "{}"), ToolUse("b", "cat", '{"a":1}'))


def body(message: object, finish: object = "stop", **root: object) -> bytes:
    """An answer in one piece."""
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], **root}).encode()


def good(answer: bytes) -> Completion:
    """The completion it is."""
    verdict = judge(200, {}, answer, KEY)
    assert isinstance(verdict, Completion), verdict
    return verdict


def bad(answer: bytes) -> Failure:
    """The failure it is."""
    verdict = judge(200, {}, answer, KEY)
    assert isinstance(verdict, Failure), verdict
    return verdict


def delta(fields: object, finish: str | None = None, **root: object) -> dict[str, Any]:
    """A piece of a streamed answer."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}], **root}


def calls(*pieces: object) -> dict[str, Any]:
    """A piece with these pieces of tool calls."""
    return delta({"tool_calls": [*pieces]})


def sse(*pieces: object, done: bool = True) -> bytes:
    """A streamed answer."""
    events = [b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces]
    return b"".join([*events, *([b"data: [DONE]\n\n"] if done else [])])


CONTENT: list[tuple[object, tuple[object, ...]]] = [
    # agentjido/req_llm#742, mistralai/client-python#252: reasoning models answer with a list of parts.
    (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hi"}],
        (Thinking("hm"), Text("hi")),
    ),
    ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], (Text("ab"),)),
    (["a", "b"], (Text("ab"),)),
    ([{"text": "a"}, None, {"type": "output_text", "text": "b"}], (Text("ab"),)),
    ([{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}], (Text("a"),)),
    ([{"type": "refusal", "refusal": "no"}], (Text("no"),)),
    ({"type": "text", "text": "a"}, (Text("a"),)),
    ([{"type": "text", "text": {"value": "a"}}], (Text("a"),)),
    ("", ()),
    (None, ()),
    ([], ()),
]


@pytest.mark.parametrize(("content", "parts"), CONTENT)
def test_content(content: object, parts: tuple[object, ...]) -> None:
    """Text may be a list of parts, with reasoning and refusals among them, in one piece or streamed."""
    assert good(body({"content": content})).parts == parts
    assert good(sse(delta({"content": content}), delta({}, "stop"))).parts == parts


REASONING: list[dict[str, object]] = [
    {"reasoning_content": "hm"},
    {"reasoning": "hm"},
    {"reasoning_text": "hm"},
    {"thinking": "hm"},
    {"thought": "hm"},
    {"reasoning": {"content": "hm"}},
    {"reasoning": "hm", "reasoning_content": "hm"},
    {"reasoning_content": None, "reasoning": "hm"},
    {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {
        "reasoning_details": [
            {"type": "reasoning.summary", "summary": "hm"},
            {"type": "reasoning.encrypted", "data": "x"},
        ]
    },
    {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "x"}]},
    {"content": [{"type": "thinking", "thinking": "hm"}, "a"], "reasoning_content": "hm"},
]


@pytest.mark.parametrize("fields", REASONING)
def test_reasoning(fields: dict[str, object]) -> None:
    """Reasoning is found in whatever field it is, once."""
    assert good(body({"content": "a", **fields})).parts == (Thinking("hm"), Text("a"))


def test_fields_of_reasoning_that_we_have_no_word_for_survive() -> None:
    """What an agent has to send back to its provider, such as encrypted reasoning, reaches it."""
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    assert good(body({"content": "a", "reasoning_details": details})).extra == {
        "message": {"reasoning_details": details}
    }


ONE: list[tuple[dict[str, object], tuple[ToolUse, ...]]] = [
    ({"tool_calls": CALLS}, USES),
    ({"tool_calls": CALLS[::-1]}, USES),
    (
        {"tool_calls": [{**CALLS[0], "function": {"name": "ls", "arguments": {"a": 1}}}]},
        (ToolUse("a", "ls", '{"a": 1}'),),
    ),
    ({"tool_calls": [{"id": "a", "name": "ls", "arguments": "{}"}]}, (USES[0],)),
    ({"tool_calls": CALLS[0]}, (USES[0],)),
    ({"tool_calls": [{"id": 7, "function": {"name": "ls"}}]}, (ToolUse("7", "ls", ""),)),
    ({"tool_calls": [None, CALLS[0]]}, (USES[0],)),
    ({"tool_calls": None, "function_call": {"name": "ls", "arguments": "{}"}}, (ToolUse("", "ls", "{}"),)),
]


@pytest.mark.parametrize(("fields", "uses"), ONE)
def test_calls_in_one_piece(fields: dict[str, object], uses: tuple[ToolUse, ...]) -> None:
    """Arguments may be an object, calls out of order, flat or of the older kind: they are the calls that were meant."""
    found = good(body({"content": None, **fields}))
    assert (found.parts, found.finish_reason) == (uses, "tool_calls")


CAT = (ToolUse("a", "cat", '{"a":1}'),)


def part(
    index: int | None = None, id: str | None = None, name: str | None = None, said: object = None
) -> dict[str, Any]:
    """A piece with one piece of a call, which says no more than is given."""
    function = {"name": name, "arguments": said}
    fields = {
        "index": index,
        "id": id,
        "function": {key: value for key, value in function.items() if value is not None},
    }
    return calls({key: value for key, value in fields.items() if value is not None})


STREAMED: list[tuple[list[dict[str, Any]], tuple[ToolUse, ...]]] = [
    ([calls(*CALLS)], USES),
    ([calls(CALLS[1]), calls(CALLS[0])], USES),
    # SamSaffron/term-llm#314, router-for-me/CLIProxyAPI#5058: no index at all, several calls.
    ([part(None, "a", "ls", "{}"), part(None, "b", "cat", '{"a"'), part(None, said=":1}")], USES),
    ([part(None, "a", "cat"), part(None, said='{"a"'), part(None, said=":1}")], CAT),
    # ollama/ollama#15457, ai-dynamo/dynamo#4723: every call has the index 0.
    ([part(0, "a", "ls", "{}"), part(0, "b", "cat", '{"a":1}')], USES),
    ([part(0, "", "ls", "{}"), part(0, "", "ls", "{}")], (ToolUse("", "ls", "{}"),) * 2),
    # dirac-run/dirac#215: the index goes on counting within one call.
    ([part(0, "a", "cat", ""), part(1, said='{"a"'), part(2, said=":1}")], CAT),
    # Id and name again in every piece, or a name that comes in pieces.
    ([part(0, "a", "cat", piece) for piece in ("", '{"a"', ":1}")], CAT),
    ([part(0, None, "cat", piece) for piece in ('{"a":{', "}}")], (ToolUse("", "cat", '{"a":{}}'),)),
    ([part(0, "a", "c"), part(0, None, "at", '{"a":1}')], CAT),
    ([part(0, "a", "cat", {"a": 1})], (ToolUse("a", "cat", '{"a": 1}'),)),
]


@pytest.mark.parametrize(("pieces", "uses"), STREAMED)
def test_calls_in_pieces(pieces: list[dict[str, Any]], uses: tuple[ToolUse, ...]) -> None:
    """Pieces without an index, with a wrong one, or with names repeated add up to the calls that were meant."""
    found = good(sse(*pieces, delta({}, "stop")))
    assert (found.parts, found.finish_reason) == (uses, "tool_calls")


def test_the_first_choice_is_that_of_index_0() -> None:
    """The choice that counts is the one of index 0, wherever it is."""
    choices = [
        {"index": at, "message": {"content": text}, "finish_reason": "stop"} for at, text in ((1, "b"), (0, "a"))
    ]
    assert good(json.dumps({"choices": choices}).encode()).text == "a"


USAGE: list[tuple[object, Usage]] = [
    (None, Usage()),
    ({}, Usage()),
    ([], Usage()),
    ({"prompt_tokens": None, "completion_tokens": 2}, Usage(0, 2)),
    ({"prompt_tokens": 3, "total_tokens": 5}, Usage(3, 2)),
    ({"completion_tokens": 2, "total_tokens": 5}, Usage(3, 2)),
    ({"prompt_tokens": 3.0, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(3, 2)),
    ({"input_tokens": 3, "output_tokens": 2}, Usage(3, 2)),
    ({"prompt_tokens": 3, "completion_tokens": 2, "prompt_cache_hit_tokens": 1}, Usage(3, 2, 1)),
    ({"prompt_tokens": "3", "completion_tokens": -1}, Usage()),
]


@pytest.mark.parametrize(("usage", "counts"), USAGE)
def test_usage(usage: object, counts: Usage) -> None:
    """Counts are taken as far as there are any, and an answer is never lost for want of them."""
    assert good(body({"content": "a"}, usage=usage)).usage == counts
    assert good(sse(delta({"content": "a"}, "stop"), {"choices": [], "usage": usage})).usage == counts


def test_a_stream_is_put_together() -> None:
    """A server that streams unasked is understood: text, reasoning, tokens, counts, and Azure's first, empty chunk."""
    whole = sse(
        {"choices": [], "prompt_filter_results": []},
        delta({"role": "assistant", "content": ""}, prompt_token_ids=[1]),
        delta({"reasoning_content": "h"}),
        delta({"reasoning_content": "m", "content": None}),
        {
            "choices": [
                {"index": 0, "delta": {"content": "he"}, "token_ids": [4], "logprobs": {"content": [{"logprob": -1}]}}
            ]
        },
        {
            "choices": [
                {"index": 0, "delta": {"content": "y"}, "token_ids": [5], "logprobs": {"content": [{"logprob": -2}]}}
            ]
        },
        delta({}, "length"),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    )
    assert good(whole) == Completion(
        parts=(Thinking("hm"), Text("hey")),
        finish_reason="length",
        usage=Usage(1, 2),
        prompt_token_ids=(1,),
        completion_token_ids=(4, 5),
        logprobs=(-1.0, -2.0),
    )


BEFORE = [
    b"\xef\xbb\xbf",
    b"\n\n  \r\n",
    b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
    b"\xef\xbb\xbf\n: x\n\n",
]


@pytest.mark.parametrize("before", BEFORE)
def test_what_may_come_before_an_answer(before: bytes) -> None:
    """A byte order mark, blank lines and comments that keep the connection alive are no part of an answer."""
    assert good(before + body({"content": "a"})).text == "a"
    assert good(before + sse(delta({"content": "a"}, "stop"))).text == "a"


ENDS: list[tuple[bytes, bool]] = [
    (sse(delta({"content": "a"}, "stop"), done=False), True),
    (sse(delta({"content": "a"})), True),
    (sse(delta({"content": "a"}), done=False), False),
    (sse(delta({"content": "a"}), done=False)[:-10], False),
    (b"", False),
    (b"[]", False),
    (b"<html>busy</html>", False),
    (body({"content": "a"})[:-5], False),
]


@pytest.mark.parametrize(("answer", "whole"), ENDS)
def test_an_answer_without_an_end(answer: bytes, whole: bool) -> None:  # noqa: FBT001 - a parameter
    """A stream that neither is done nor says why it ended, and JSON that was cut, are no answers, and tried again."""
    if whole:
        assert good(answer).text == "a"
        return
    verdict = bad(answer)
    assert (verdict.passing, verdict.repeats, verdict.error.retryable) == (True, False, True)


ERRORS: list[tuple[object, str, bool]] = [
    ({"error": {"code": 502, "message": "gone"}}, "unavailable", True),
    ({"error": {"code": "429", "message": "slow"}}, "unavailable", True),
    ({"error": {"type": "rate_limit_error", "message": "slow"}}, "unavailable", True),
    ({"error": {"type": "overloaded_error"}}, "unavailable", True),
    ({"error": "gone"}, "unavailable", True),
    ([{"error": {"code": 503, "message": "gone"}}], "unavailable", True),
    ({"error": {"code": 400, "message": "wrong"}}, "rejected", False),
    ({"error": {"type": "invalid_request_error", "message": "wrong"}}, "rejected", False),
    ({"object": "error", "message": "wrong", "code": 400}, "rejected", False),
    ({"error": {"code": 401, "message": KEY}}, "unauthorized", False),
    ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "unavailable", True),
    # MiniMax-AI/MiniMax-01#15: an answer without choices, and beside it a code and its words.
    ({"choices": None, "base_resp": {"status_code": 1039, "status_msg": "token limit"}}, "context_length", False),
]


@pytest.mark.parametrize(("error", "kind", "passing"), ERRORS)
def test_an_error_in_the_place_of_an_answer(error: Any, kind: str, passing: bool) -> None:  # noqa: FBT001, ANN401 - JSON
    """An error with the status 200 is what it would be with its own, as a body and as an event of a stream."""
    one = cast("list[object]", error)[0] if isinstance(error, list) else error
    streamed = [
        sse(delta({"content": "a"}), one),
        sse(delta({"content": "a"}), done=False) + b"event: error\n" + sse(one),
    ]
    for answer in (json.dumps(error).encode(), *streamed):
        verdict = bad(answer)
        assert (verdict.error.kind, verdict.passing) == (kind, passing)
        assert KEY not in repr(verdict.error)


def test_an_error_beside_half_an_answer() -> None:
    """OpenRouter ends an answer with an error in its choice: MacPaw/OpenAI#312, razzant/claudexor#144."""
    choice = {"message": {"content": "half"}, "finish_reason": "error", "error": {"code": 502, "message": "gone"}}
    verdict = bad(json.dumps({"choices": [choice]}).encode())
    assert (verdict.error.kind, verdict.passing) == ("unavailable", True)


@pytest.mark.parametrize("nothing", [None, "", {}, {"code": 0, "message": "success"}])
def test_no_error_is_none(nothing: object) -> None:
    """Servers that have a place for an error in every answer are understood."""
    assert good(body({"content": "a"}, error=nothing, base_resp={"status_code": 0})).text == "a"


WRONG: list[tuple[object, str]] = [
    ({"content": 3}, "choices[0].message.content: expected text, or a list of parts, got 3"),
    ({"content": {"a": 1}}, 'choices[0].message.content: expected a part with text, got {"a": 1}'),
    ({"content": [3]}, "choices[0].message.content[0]: expected a part, got 3"),
    ({"tool_calls": "x"}, 'choices[0].message.tool_calls[0]: expected an object, got "x"'),
    ({"tool_calls": [{"function": {"name": "f", "arguments": 4}}]}, "function.arguments: expected a string, got 4"),
    ({"tool_calls": [{"function": {"name": ["f"]}}]}, 'function.name: expected a string, got ["f"]'),
    ({"content": {"\x1b[31m": "\u202e"}}, '{"\\u001b[31m": "\\u202e"}'),
    ([], "choices[0].message: expected an object, got []"),
]


@pytest.mark.parametrize(("message", "text"), WRONG)
def test_a_shape_that_says_nothing_is_told_once(message: object, text: str) -> None:
    """What a server will say again like that is not asked for again, and the error shows the field, escaped."""
    verdict = bad(body(message))
    assert (verdict.error.kind, verdict.repeats, verdict.error.retryable) == ("bad_response", True, False)
    assert text in verdict.error.message


MISSING: list[object] = [
    {"choices": []},
    {"choices": None, "id": "x"},
    {"choices": [{"message": None, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": None}, "finish_reason": None}]},
    {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]},
]


@pytest.mark.parametrize("answer", MISSING)
def test_an_answer_that_lacks_something_may_come_whole_the_next_time(answer: object) -> None:
    """An empty answer, and a call without a name, are asked for again by us, and not by the agent too."""
    verdict = bad(json.dumps(answer).encode())
    assert (verdict.error.kind, verdict.passing, verdict.repeats) == ("bad_response", True, False)
    assert not verdict.error.retryable


@given(JSON, st.integers(0, 400))
def test_what_is_shown_is_short_and_holds_no_key(found: object, at: int) -> None:
    """Of what was found at most 200 bytes are shown, all of them ASCII, and nothing if the key is anywhere in it."""
    wrong = {"a": "x" * at + KEY, "b": found}
    message = bad(body({"content": wrong})).error.message
    assert not any(KEY[start : start + 8] in message for start in range(3, len(KEY) - 8))
    shown = bad(body({"content": {"a": found, "b": "\x9b" * at}})).error.message.partition("got ")[2]
    assert len(shown.encode()) <= 200
    assert shown.isprintable()


def test_numbers_without_end_are_not_shown() -> None:
    """A value that Python cannot write is not shown."""
    assert "bad_response" in bad(b'{"choices":[{"message":{"content":{"a":' + b"9" * 5000 + b"}}}]}").error.kind


@given(st.lists(JSON, max_size=5), st.booleans())
def test_any_stream_is_judged(pieces: list[object], done: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever JSON a stream is made of, there is a verdict."""
    inner = [delta(piece) for piece in pieces] + [calls(piece) for piece in pieces]
    for stream in (sse(*pieces, done=done), sse(*inner, done=done)):
        assert isinstance(judge(200, {}, stream), Completion | Failure)
