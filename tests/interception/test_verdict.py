"""What an upstream's response means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.backoff import backoff, retry_after
from greenroom.interception.dialects import chat_answer
from greenroom.interception.errors import DialectError
from greenroom.interception.verdict import Failure, judge
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage
from tests.interception.test_chat_request import JSON

FULL: dict[str, Any] = {
    "id": "x",
    "prompt_token_ids": [1, 2, 3],
    "weight_version": 7,
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    "choices": [
        {
            "message": {
                "role": "assistant",
                "reasoning_content": "hm",
                "content": "hi",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "ls", "arguments": "{}"}}],
            },
            "finish_reason": "tool_calls",
            "token_ids": [4, 5],
            "logprobs": {"content": [{"token": "h", "logprob": -0.5}, {"token": "i", "logprob": -9999.0}]},
        }
    ],
}
NEEDLE = "sk-\"quoted'\nand new"


def failed(status: int, body: object = None, **headers: str) -> Failure:
    """The verdict on an error response."""
    verdict = judge(status, headers, json.dumps(body).encode())
    assert isinstance(verdict, Failure)
    return verdict


def test_exact_tokens_arrive() -> None:
    """Token ids of prompt and completion, log-probabilities and the weights' version are taken as vLLM gives them."""
    assert judge(200, {}, json.dumps(FULL).encode()) == Completion(
        parts=(Thinking("hm"), Text("hi"), ToolUse("a", "ls", "{}")),
        finish_reason="tool_calls",
        usage=Usage(3, 2),
        prompt_token_ids=(1, 2, 3),
        completion_token_ids=(4, 5),
        logprobs=(-0.5, -9999.0),
        weight_version="7",
    )


def test_what_else_a_server_may_tell() -> None:
    """Tokens read from a cache, and the stop text an answer came to, are taken; the id of a token is no stop text."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    for reason, sequence in (("END", "END"), (151645, None), (None, None)):
        choice = {"message": {"content": "x"}, "finish_reason": "stop", "stop_reason": reason}
        body = json.dumps({"choices": [choice], "usage": usage}).encode()
        assert judge(200, {}, body) == Completion(parts=(Text("x"),), stop_sequence=sequence, usage=Usage(3, 2, 1))


def test_a_plain_server_gives_no_tokens() -> None:
    """Without token fields an answer is an answer, with ``None`` where tokens would be."""
    plain = {"choices": [{"message": {"content": "hi"}, "finish_reason": None, "logprobs": None}], "usage": None}
    assert judge(200, {}, json.dumps(plain).encode()) == Completion(parts=(Text("hi"),))


MISFITS: list[dict[str, Any]] = [
    {"token_ids": [4]},
    {"token_ids": ["4", "5"]},
    {"token_ids": 3},
    {"logprobs": {"content": [{"logprob": None}, {"logprob": -1}]}},
    {"logprobs": {"content": [{"logprob": "x"}, {"logprob": -1}]}},
    {"logprobs": []},
    {"message": None},
    {"message": {"content": 3}},
    {"message": {"tool_calls": [{"function": {}}]}},
]


@pytest.mark.parametrize("choice", MISFITS)
def test_tokens_that_do_not_fit_are_no_answer(choice: dict[str, Any]) -> None:
    """Tokens and log-probabilities that do not belong together are never trained on: it is a failure, tried again."""
    wrong = {**FULL, "choices": [{**FULL["choices"][0], **choice}]}
    verdict = judge(200, {}, json.dumps(wrong).encode())
    assert isinstance(verdict, Failure)
    assert (verdict.error.kind, verdict.passing) == ("bad_response", True)


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from([200, 400, 500]))
def test_any_response_is_judged(body: bytes, status: int) -> None:
    """Whatever a server sends, there is a verdict."""
    assert isinstance(judge(status, {}, body), Completion | Failure)


@given(JSON, st.sampled_from(sorted(FULL)), st.sampled_from(sorted(FULL["choices"][0])))
def test_any_value_in_an_answer(value: object, root: str, inner: str) -> None:
    """Any JSON in any place of an answer is understood, or refused with `DialectError`."""
    for wrong in ({**FULL, root: value}, {**FULL, "choices": [{**FULL["choices"][0], inner: value}]}):
        try:
            chat_answer.decode(json.dumps(wrong).encode())
        except DialectError:
            continue


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_passes_is_tried_again(status: int) -> None:
    """Statuses that pass are worth another try, after the time the server asks for."""
    verdict = failed(status, **{"Retry-After": "3"})
    assert (verdict.passing, verdict.wait, verdict.error.retryable, verdict.error.status) == (True, 3.0, True, status)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_what_lasts_is_not_tried_again(status: int) -> None:
    """Statuses that last fail the call at once, and the agent is not invited to try again."""
    verdict = failed(status, {"error": {"message": "no"}})
    assert (verdict.passing, verdict.error.retryable, verdict.rejected) == (False, False, status in (400, 422))


def test_a_conversation_that_is_too_long() -> None:
    """A full context is recognised in the words of the servers, and a wrong setting is not mistaken for it."""
    openai = {"error": {"code": "context_length_exceeded", "message": "too many"}}
    vllm = {
        "object": "error",
        "message": "This model's maximum context length is 4096 tokens. However, you requested 5000",
    }
    setting = {"message": "'max_tokens' is too large: 9000. This model's maximum context length is 4096 tokens"}
    assert [failed(400, body).error.kind for body in (openai, vllm, setting)] == ["context_length"] * 2 + ["rejected"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_quoted_key_is_not_passed_on(status: int) -> None:
    """A key that the server quotes in its error, escaped or not, is in no text of ours."""
    for quoted in (NEEDLE, repr(NEEDLE), json.dumps(NEEDLE)):
        body = json.dumps({"error": {"message": f"bad key {quoted}"}}).encode()
        verdict = judge(status, {}, body, NEEDLE)
        assert isinstance(verdict, Failure)
        assert "quoted" not in repr(verdict.error)


def test_back_off() -> None:
    """Waits grow, differ, and have a ceiling, however many tries there have been."""
    waits = [[backoff(attempt) for _ in range(20)] for attempt in (1, 2, 3, 1000)]
    assert all(len(set(some)) > 10 for some in waits)
    for some, longest in zip(waits, (0.5, 1.0, 2.0, 20.0), strict=True):
        assert all(longest / 2 <= wait <= longest for wait in some)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0.0),
        ("-5", 0.0),
        ("2.5", 2.5),
        ("1e9", 60.0),
        ("inf", 60.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2027 00:00:00 GMT", 60.0),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Both forms of the header are understood, bounded, and ignored when they make no sense."""
    assert retry_after(value, datetime(2026, 1, 1, tzinfo=UTC)) == seconds
