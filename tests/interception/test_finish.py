"""Why an answer ended: the table of words, and what each of them does."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.completion import checked
from greenroom.interception.finish import FINISH_REASONS, FinishRow, Meaning, ending
from greenroom.interception.replies import read
from greenroom.interception.verdict import Failure, judge
from greenroom.messages import Completion, Text, ToolUse
from greenroom.specs import Dialect
from tests.interception.dialogue import NAMES, ask, dialect_of

CALL = {"id": "a", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
USE = ToolUse("a", "ls", "{}")


def answered(finish: object, *, calls: bool = False, **choice: object) -> Completion | Failure:
    """What an upstream's answer amounts to that ends so."""
    message = {"role": "assistant", "content": "half a", **({"tool_calls": [CALL]} if calls else {})}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}]}
    return judge(200, {}, json.dumps(body).encode())


def outcome(verdict: Completion | Failure) -> tuple[str, bool]:
    """In two words: the finish reason, or the failure's kind and whether it is tried again."""
    if isinstance(verdict, Failure):
        return verdict.error.kind, verdict.passing
    return verdict.finish_reason, False


BECOMES: dict[Meaning, tuple[str, bool]] = {
    "finished": ("stop", False),
    "tool calls": ("stop", False),
    "length": ("length", False),
    "content filter": ("content_filter", False),
    "context": ("context_length", False),
    "failed": ("unfinished", True),
    "unknown": ("unknown", False),
}


def test_every_meaning_is_said() -> None:
    """The table has words for all that an answer may amount to, each with who says it and where that is known from."""
    assert {row.meaning for row in FINISH_REASONS} == set(get_args(Meaning)) == set(BECOMES)
    assert all(row.word and row.said_by and row.source for row in FINISH_REASONS)
    assert len({row.word for row in FINISH_REASONS}) == len(FINISH_REASONS)


@pytest.mark.parametrize("row", FINISH_REASONS, ids=[row.word for row in FINISH_REASONS])
def test_every_word_means_what_the_table_says(row: FinishRow) -> None:
    """In whatever case it is written, and as the provider's own word beside ``stop``, a word does what it means."""
    snake = "".join(f"_{char}" if char.isupper() and not row.word.isupper() else char for char in row.word)
    for word in (row.word, row.word.upper(), row.word.lower(), row.word.replace("_", "-"), snake, f" {row.word} "):
        assert outcome(answered(word)) == BECOMES[row.meaning]
        assert outcome(answered("stop", native_finish_reason=word)) == BECOMES[row.meaning]
    # LiteLLM keeps the provider's word there while it says "stop".
    assert (
        outcome(answered("stop", provider_specific_fields={"native_finish_reason": row.word})) == BECOMES[row.meaning]
    )


WRITTEN: list[tuple[object, object, Meaning]] = [
    ("FinishReason.MAX_TOKENS", None, "length"),
    ("FINISH_REASON_STOP", None, "finished"),
    ("function_call_filter: MALFORMED_FUNCTION_CALL", None, "failed"),
    ("content_filter: RECITATION", None, "content filter"),
    ("content_filter: OTHER", None, "content filter"),
    ({"type": "abort", "message": "weights"}, None, "failed"),
    ({"type": "stop", "matched": 151645}, None, "finished"),
    ("eager", "stop", "finished"),
    ("eager", None, "unknown"),
    ("stop", "eager", "unknown"),
    ("tool_calls", "eager", "tool calls"),
    ("length", "model_context_window_exceeded", "context"),
    ("length", "stop", "length"),
    ("error", "stop", "failed"),
    (7, None, "unknown"),
]


@pytest.mark.parametrize(("said", "native", "meaning"), WRITTEN)
def test_how_words_are_written(said: object, native: object, meaning: Meaning) -> None:
    """Prefixes, explanations and objects are understood, and of two words the worse one counts."""
    found = ending(said, native)
    assert found is not None
    assert found.meaning == meaning


def test_no_word_is_an_end() -> None:
    """An answer in one piece that says no reason has come to its end."""
    assert ending(None) is None
    assert outcome(answered(None)) == ("stop", False)


def test_a_word_that_nobody_knows_is_kept() -> None:
    """An unknown word is recorded as such, and with it what was said."""
    verdict = answered("eager", calls=True)
    assert isinstance(verdict, Completion)
    assert (verdict.finish_reason, verdict.native_finish_reason) == ("unknown", "eager")


@pytest.mark.parametrize(("finish", "calls", "reason"), [("tool_calls", False, "stop"), ("stop", True, "tool_calls")])
def test_content_says_whether_tools_are_called(finish: str, calls: bool, reason: str) -> None:  # noqa: FBT001 - a parameter
    """A reason that says tools where none are called, or the other way round, is mended as it is read."""
    verdict = answered(finish, calls=calls)
    assert isinstance(verdict, Completion)
    assert verdict.finish_reason == reason
    parts = (Text("x"), *((USE,) if calls else ()))
    assert checked(Completion(parts=parts, finish_reason=finish)).finish_reason == reason  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


TOLD: dict[str, tuple[str, str]] = {
    "chat": ('"finish_reason":"stop"', '"finish_reason":"tool_calls"'),
    "responses": ('"status":"completed"', '"status":"completed"'),
    "anthropic": ('"stop_reason":"end_turn"', '"stop_reason":"tool_use"'),
    "google": ('"finishReason":"STOP"', '"finishReason":"STOP"'),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_agents_are_told_what_the_content_says(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Whatever reason a model's owner gives, an agent of any dialect is told of tools if it is to use some."""
    dialect = dialect_of(name)
    request = ask(name, stream=stream)
    assert isinstance(request.body, bytes)
    call = dialect.decode(request, request.body)
    without, within = TOLD[dialect.name]
    for reason in ("stop", "tool_calls", "unknown"):
        for parts, word in (((Text("x"),), without), ((Text("x"), USE), within)):
            completion = Completion(parts=parts, finish_reason=reason)  # pyright: ignore[reportArgumentType]
            body = dialect.encode(completion, call)
            if stream:
                body = b"".join(dialect.stream(call).body(completion))
            assert word in body.decode()


def provider(dialect: Dialect, word: str, *, calls: bool) -> dict[str, Any]:
    """What a provider of this dialect says in one piece."""
    uses: list[dict[str, Any]] = []
    match dialect:
        case "chat":
            message = {"content": "x", **({"tool_calls": [CALL]} if calls else {})}
            return {"choices": [{"index": 0, "finish_reason": word, "message": message}]}
        case "anthropic":
            uses = [{"type": "tool_use", "id": "a", "name": "ls", "input": {}}] if calls else []
            return {"type": "message", "stop_reason": word, "content": [{"type": "text", "text": "x"}, *uses]}
        case "google":
            uses = [{"functionCall": {"name": "ls", "args": {}}}] if calls else []
            return {"candidates": [{"finishReason": word, "content": {"parts": [{"text": "x"}, *uses]}}]}
        case "responses":
            uses = [{"type": "function_call", "call_id": "a", "name": "ls", "arguments": "{}"}] if calls else []
            said = {"type": "message", "content": [{"type": "output_text", "text": "x"}]}
            return {"status": "incomplete", "incomplete_details": {"reason": word}, "output": [said, *uses]}


@pytest.mark.parametrize("dialect", get_args(Dialect))
@pytest.mark.parametrize("row", FINISH_REASONS, ids=[row.word for row in FINISH_REASONS])
def test_providers_are_read_by_the_same_table(row: FinishRow, dialect: Dialect) -> None:
    """Answers that are passed on are recorded with the meaning that the table has, in every dialect."""
    neutral = {"finished": "stop", "tool calls": "stop", "content filter": "content_filter", "context": "length"}
    reason = neutral.get(row.meaning, "unknown" if row.meaning == "failed" else row.meaning)
    found = read(dialect, json.dumps(provider(dialect, row.word, calls=False)).encode())
    assert found.finish_reason == reason
    assert (found.native_finish_reason is not None) == (row.meaning in ("unknown", "failed", "context"))


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_providers_tools_are_seen(dialect: Dialect) -> None:
    """What a provider says in an answer counts, not whether it says so in its reason."""
    for word, calls, reason in (("stop", True, "tool_calls"), ("tool_calls", False, "stop")):
        found = read(dialect, json.dumps(provider(dialect, word, calls=calls)).encode())
        assert found.finish_reason == reason


@given(st.none() | st.text(max_size=300) | st.integers() | st.dictionaries(st.text(max_size=6), st.text(max_size=6)))
def test_any_word_has_a_meaning(word: object) -> None:
    """Whatever is said, there is an end or none, and of what is kept no more than a hundred characters."""
    found = ending(word)
    assert found is None or (found.meaning in BECOMES and len(found.word) <= 100)
