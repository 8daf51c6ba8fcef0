"""Whether a reply that is passed on is whole, and whether it failed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.progress import Progress
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage
from greenroom.specs import Dialect
from tests.interception.dialogue import NAMES, dialect_of
from tests.interception.test_replies import reply

SAID = Completion(
    parts=(Thinking("hm"), Text("a ✓ b"), ToolUse("a", "bash", '{"command":"ls"}')),
    finish_reason="tool_calls",
    usage=Usage(10, 20, 3),
)
STREAM = "text/event-stream"


def followed(dialect: Dialect, pieces: Sequence[bytes], kind: str = STREAM) -> Progress:
    """What is known once the pieces have come."""
    progress = Progress(dialect, kind)
    for piece in pieces:
        progress.feed(piece)
    return progress


def sse(*values: object, name: str = "") -> bytes:
    """A stream of events."""
    head = f"event: {name}\n" if name else ""
    data = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    return "".join(f"{head}data: {one}\n\n" for one in data).encode()


def chunk(finish: str | None = None, **fields: object) -> dict[str, object]:
    """A chunk of chat."""
    return {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": finish}], **fields}


def part(finish: str | None = None) -> dict[str, object]:
    """A chunk of Google's."""
    return {"candidates": [{"content": {"parts": [{"text": "x"}]}, **({"finishReason": finish} if finish else {})}]}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_last_event_ends_it_wherever_it_is_cut(name: str, data: st.DataObject) -> None:
    """A whole stream of any dialect is whole when its last event has come, in whatever pieces, and not before."""
    dialect = dialect_of(name).name
    whole = reply(name, SAID, stream=True)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    done = followed(dialect, pieces)
    assert (done.failure, done.left(whole)) == (None, True)
    assert done.over or name == "google"
    last = whole.rstrip(b"\n").rindex(b"\n\n")
    early = whole[: data.draw(st.integers(0, last))] if name != "chat" else whole[: whole.index(b'"finish_reason":"')]
    started = followed(dialect, [early])
    assert (started.over, started.left(early)) == (False, False)
    started.end(early)
    assert started.failure is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_body_is_whole(name: str) -> None:
    """A reply in one piece is an answer as soon as all of it is there, and none before."""
    dialect = dialect_of(name).name
    body = reply(name, SAID, stream=False)
    for kept, whole in ((body, True), (body[:-1], False), (b"", False), (b"<html>Bad gateway</html>", False)):
        progress = followed(dialect, [kept], "application/json; charset=utf-8")
        assert progress.left(kept) == whole
        progress.end(kept)
        assert (progress.failure is None) == whole


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("chat", sse(chunk(), chunk("stop"), {"choices": [], "usage": {"prompt_tokens": 3}}, "[DONE]")),
        ("chat", sse(chunk(), chunk("stop"))),
        ("chat", sse(chunk("stop"), {"choices": [], "usage": {"prompt_tokens": 3}})),
        ("chat", b": keep-alive\r\n\r\n" + sse(chunk("length"), "[DONE]").replace(b"\n", b"\r\n")),
        ("chat", sse(chunk("stop", error=None), "[DONE]")),
        ("responses", sse({"type": "response.incomplete", "response": {"status": "incomplete", "error": None}})),
        ("google", sse(part(), part("STOP"))),
        ("google", sse(part("STOP"), part("STOP"), part("MAX_TOKENS"))),
        ("google", sse({"promptFeedback": {"blockReason": "SAFETY"}})),
        ("google", json.dumps([part(), part("STOP")]).encode()),
    ],
)
def test_ways_to_end(dialect: Dialect, body: bytes) -> None:
    """Usage after the finish, no ``[DONE]``, other line ends, a finish in every chunk, an array: all are answers."""
    progress = followed(dialect, [body], "")
    assert progress.left(body)
    progress.end(body)
    assert progress.failure is None


@pytest.mark.parametrize("rest", [b"", b",", b"\n,\r\n", b"]"])
def test_an_array_that_goes_on(rest: bytes) -> None:
    """An agent that streams an array has its answer once the element that finishes it is there."""
    first = json.dumps([part()])[:-1].encode()
    whole = json.dumps([part(), part("STOP")])[:-1].encode() + rest
    assert not followed("google", [first], "application/json").left(first)
    assert followed("google", [whole], "application/json").left(whole)


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("dialect", "body", "word", "status"),
    [
        ("anthropic", sse(OVERLOADED, name="error"), "overloaded_error", None),
        ("anthropic", sse({"type": "message_start", "message": {}}, OVERLOADED), "overloaded_error", None),
        ("anthropic", json.dumps(OVERLOADED).encode(), "overloaded_error", None),
        ("chat", sse({"error": {"message": "quota", "code": 429}}, "[DONE]"), "429", 429),
        ("chat", sse(chunk(), {"error": {"message": "x", "type": "server_error"}}), "server_error", None),
        ("chat", sse(chunk(), {"error": "it broke"}), "", None),
        ("chat", sse(chunk("error", error={"code": 502, "message": "gone"}), "[DONE]"), "502", 502),
        ("chat", sse(chunk(), chunk("error"), "[DONE]"), "error", None),
        ("chat", sse(chunk(), chunk("network_error"), "[DONE]"), "network_error", None),
        ("chat", sse({"choices": [{"delta": {}, "error": {"code": 503}, "finish_reason": "stop"}]}), "503", 503),
        ("chat", sse(chunk()) + sse("it broke", name="error"), "", None),
        ("chat", sse(chunk()) + sse({"message": "it broke", "code": 500}, name="error"), "500", 500),
        ("chat", b"data: [DONE]\n\n", "no_answer", None),
        ("chat", sse(chunk(), chunk()), "cut_off", None),
        ("chat", b'{"error": {"message": "no", "code": "rate_limit_exceeded"}}', "rate_limit_exceeded", None),
        (
            "responses",
            sse({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}}),
            "server_error",
            None,
        ),
        ("responses", sse({"type": "error", "code": "rate_limit_exceeded"}), "rate_limit_exceeded", None),
        ("responses", b'{"output": [], "status": "failed", "error": {"code": "server_error"}}', "server_error", None),
        ("responses", sse({"type": "response.created", "response": {"status": "in_progress"}}), "cut_off", None),
        ("google", sse(part(), {"error": {"code": 503, "status": "UNAVAILABLE"}}), "503", 503),
        ("google", b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]', "429", 429),
        ("google", sse(part()), "cut_off", None),
        ("google", b'[{"candidates": []}', "cut_off", None),
    ],
)
def test_ways_to_fail(dialect: Dialect, body: bytes, word: str, status: int | None) -> None:
    """A failure that is told within a reply of status 200 is found, with the provider's own word for it."""
    progress = followed(dialect, [body], "")
    assert not progress.left(body)
    progress.end(body)
    assert progress.failure is not None
    assert (progress.failure.word, progress.failure.status) == (word, status)


@pytest.mark.parametrize("word", ["sk-a key", "x" * 65, "a\nb", 7.5, None, {"a": 1}])
def test_words_that_are_not_shown(word: object) -> None:
    """What a provider writes where a code should be is shown only if it looks like one."""
    progress = followed("chat", [sse({"error": {"code": word}})])
    assert progress.failure is not None
    assert progress.failure.word in ("", "7.5")


@pytest.mark.parametrize("name", NAMES)
@given(noise=st.binary(max_size=200), kind=st.sampled_from(["", STREAM, "application/json", "text/x-mine"]))
def test_whatever_comes(name: str, noise: bytes, kind: str) -> None:
    """Bytes that make no sense raise nothing; of a type that is not known they are not judged."""
    for body in (noise, b"data: " + noise + b"\n\n", b"{" + noise):
        progress = followed(dialect_of(name).name, [body[:7], body[7:]], kind)
        progress.left(body)
        progress.end(body)
        if kind == "text/x-mine" and not progress.begun:
            assert progress.failure is None or progress.failure.word != "no_answer"
