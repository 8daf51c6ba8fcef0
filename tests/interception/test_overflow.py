"""Conversations that are too long for their model, in the words of those who say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.envelope import Complaint, complaint
from greenroom.interception.overflow import OVERFLOWS, overflows
from greenroom.interception.verdict import Failure, judge

LABELLED: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "overflow.jsonl").read_text().splitlines()
]
"""What servers say: the ``body``, its ``status``, the source, and whether it ``says`` overflow or something other."""

WORDS = "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."


def body_of(row: dict[str, Any]) -> bytes:
    """As it came: text, or JSON."""
    said = row["body"]
    return said.encode() if isinstance(said, str) else json.dumps(said).encode()


def kind(status: int, body: object) -> str:
    """What becomes of such a response."""
    verdict = judge(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(verdict, Failure)
    return verdict.error.kind


def test_the_set_is_large_enough() -> None:
    """Sixty messages of each kind at least, every one with its source."""
    for label in ("overflow", "other"):
        assert sum(row["says"] == label for row in LABELLED) >= 60
    assert all(row["source"] for row in LABELLED)


@pytest.mark.parametrize("row", LABELLED, ids=[f"{at}-{row['says']}" for at, row in enumerate(LABELLED)])
def test_what_servers_say(row: dict[str, Any]) -> None:
    """A message that says that the conversation is too long ends it politely, and no other does."""
    assert overflows(row["status"], complaint(body_of(row))) == (row["says"] == "overflow")
    assert (kind(row["status"], body_of(row)) == "context_length") == (row["says"] == "overflow")


@pytest.mark.parametrize("row", [row for row in LABELLED if row["says"] == "overflow"])
def test_an_overflow_within_an_answer(row: dict[str, Any]) -> None:
    """The same is understood when it comes with the status 200, as JSON or as an event of a stream."""
    said: Any = row["body"]
    error = cast("object", said) if isinstance(said, dict) else {"error": said}
    event = b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"
    assert kind(200, error) == kind(200, event) == "context_length"


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_words_count_with_these(status: int) -> None:
    """Words count with the statuses of a refused request."""
    assert kind(status, {"error": {"message": WORDS}}) == "context_length"


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 502, 503, 529])
def test_words_count_with_no_others(status: int) -> None:
    """With other statuses, that of a rate limit above all, the same words are not believed."""
    assert kind(status, {"error": {"message": WORDS}}) != "context_length"


@pytest.mark.parametrize("code", [row.code for row in OVERFLOWS if row.code])
def test_codes_need_no_words(code: str) -> None:
    """A code is enough by itself, as a code or as a type, in any case, and not with a rate limit."""
    assert kind(400, {"error": {"code": code, "message": "no"}}) == "context_length"
    assert kind(400, {"error": {"type": code.upper(), "message": "no"}}) == "context_length"
    assert kind(429, {"error": {"code": code, "message": "no"}}) == "unavailable"


NESTED: list[object] = [
    {"error": {"message": WORDS}},
    {"error": WORDS},
    {"message": WORDS},
    {"detail": WORDS},
    {"detail": [{"loc": ["body"], "msg": WORDS}]},
    {"detail": {"error": {"message": WORDS}}},
    [{"error": {"message": WORDS}}],
    {"errors": [{"message": WORDS}]},
    {"error": {"message": json.dumps({"error": {"message": WORDS}})}},
    {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"message": WORDS})}}},
    {"error": {"innererror": {"message": WORDS}}},
]


@pytest.mark.parametrize("shape", NESTED)
def test_every_shape_of_an_error_is_read(shape: object) -> None:
    """An object, a list, an error within an error, JSON within JSON, FastAPI's details: the words are found."""
    assert kind(400, shape) == "context_length"


@pytest.mark.parametrize("text", [WORDS.encode(), b"\xef\xbb\xbf\n " + WORDS.encode(), b"data: " + WORDS.encode()])
def test_plain_text_is_read(text: bytes) -> None:
    """An error that is no JSON is its own words."""
    assert kind(400, text) == "context_length"


def test_what_a_server_sends_back_is_not_believed() -> None:
    """An error that quotes the request, in which an agent wrote of overflows, is not one."""
    assert kind(422, {"detail": [{"msg": "Field required", "input": {"messages": [{"content": WORDS}]}}]}) == "rejected"


PIECES = [
    *("input tokens ", "context length ", "exceeds ", "prompt ", "(", "1", "max_tokens ", " is too long", "a" * 50),
    *("maximum ", "more than ", "tokens "),
]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_takes_no_time(piece: str) -> None:
    """However long a text is, and however often it nearly matches, few of its characters are looked at."""
    body = json.dumps({"error": {"message": piece * (400_000 // len(piece))}}).encode()
    assert len(complaint(body).text) < 10_000
    overflows(400, complaint(body))


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from([400, 429, 500]))
def test_any_text_is_judged(text: str, status: int) -> None:
    """Whatever is said, it is an overflow or it is not, and never is with a rate limit."""
    assert overflows(status, Complaint(texts=(text,))) in ((True, False) if status != 429 else (False,))
