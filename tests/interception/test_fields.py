"""The table of fields says what the code does: each field is put into a small request, and the outcome looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types.beta import message_create_params as anthropic_params
from google.genai import types as google_types
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params

from greenroom.interception import Request
from greenroom.interception.dialects import chat_request, fields
from greenroom.interception.dialects.field import OTHER, Field
from greenroom.interception.dialects.fields import FIELDS
from greenroom.interception.dialects.google_names import renamed
from greenroom.interception.errors import DialectError
from greenroom.interception.memory import Memory
from greenroom.messages import ModelCall, Text
from tests.interception.dialogue import dialect_of
from tests.interception.field_examples import CHAT, RESPONSES, Example
from tests.interception.more_field_examples import ANTHROPIC, GOOGLE
from tests.interception.talk import Fields

EXAMPLES: dict[str, dict[str, Example]] = {
    "chat": CHAT,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "google": GOOGLE,
}
SIMPLEST: dict[str, Fields] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"model": "m", "input": "hi"},
    "anthropic": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "google": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
NEEDS_EARLIER = ("previous_response_id", "conversation", "input[type=item_reference]")
"""Rows whose cases are those of `test_responses_memory`: they mean nothing in a single request."""


def decoded(dialect: str, put: Fields) -> ModelCall:
    """The simplest request of a dialect with these fields."""
    body = json.dumps({**SIMPLEST[dialect], **put}).encode()
    request = Request(method="POST", path="/v1beta/models/m:generateContent", headers={}, memory=Memory(1000))
    return dialect_of(dialect).decode(request, body)


def neutral(call: ModelCall) -> tuple[object, ...]:
    """What a call says in neutral words."""
    return call.model, call.messages, call.tools, call.tool_choice, call.sampling, call.stream


def sent(call: ModelCall) -> dict[str, Any]:
    """What an upstream gets."""
    return chat_request.encode(call, "m")


def texts(call: ModelCall) -> str:
    """All that the model reads."""
    return "\n".join(part.text for message in call.messages for part in message.parts if isinstance(part, Text))


def rows(*fates: str) -> list[Any]:
    """The rows of these fates."""
    found = [row for row in FIELDS if row.fate in fates and row.field not in NEEDS_EARLIER]
    return [pytest.param(row, EXAMPLES[row.dialect][row.field], id=f"{row.dialect}:{row.field}") for row in found]


def test_every_row_has_a_case() -> None:
    """There is one case for each row, and one row for each field."""
    assert [(row.dialect, row.field) for row in FIELDS] == list(
        dict.fromkeys((row.dialect, row.field) for row in FIELDS)
    )
    assert {(row.dialect, row.field) for row in FIELDS} == {
        (dialect, field) for dialect, examples in EXAMPLES.items() for field in examples
    }


@pytest.mark.parametrize(("row", "example"), rows("taken"))
def test_what_is_taken(row: Field, example: Example) -> None:
    """A field that has a neutral word changes the call, and what an upstream gets, unless the row says otherwise."""
    call, plain = decoded(row.dialect, example.put), decoded(row.dialect, example.over)
    assert neutral(call) != neutral(plain)
    assert (sent(call) == sent(plain)) == (row.upstream.startswith("nothing") or row.field == "model")


@pytest.mark.parametrize(("row", "example"), rows("along"))
def test_what_goes_along(row: Field, example: Example) -> None:
    """A field that an upstream is told is in what it gets, as the row says, and changes nothing else."""
    whole = sent(decoded(row.dialect, example.put))
    assert {name: whole[name] for name in example.shows} == example.shows
    rest = {name: item for name, item in whole.items() if name not in example.shows}
    plain = sent(decoded(row.dialect, example.over))
    assert rest == {name: item for name, item in plain.items() if name not in example.shows}
    assert row.upstream


@pytest.mark.parametrize(("row", "example"), rows("note"))
def test_what_is_a_note(row: Field, example: Example) -> None:
    """What has no neutral word is text for the model: what it says, or that it was there."""
    assert example.shows
    assert example.shows in texts(decoded(row.dialect, example.put))


@pytest.mark.parametrize(("row", "example"), rows("answered", "idle"))
def test_what_means_nothing_to_a_server(row: Field, example: Example) -> None:
    """A field that greenroom answers itself, or that means nothing here, changes nothing, and nobody is warned."""
    call = decoded(row.dialect, example.put)
    assert sent(call) == sent(decoded(row.dialect, example.over))
    assert not fields.unheard(call)


@pytest.mark.parametrize(("row", "example"), rows("left"))
def test_what_cannot_be_had(row: Field, example: Example) -> None:
    """A field that an upstream cannot be told stays in the call, and whoever runs the upstream learns of it."""
    call = decoded(row.dialect, example.put)
    assert sent(call) == sent(decoded(row.dialect, example.over))
    assert fields.unheard(call) == {row.field}
    assert call.extra


@pytest.mark.parametrize(("row", "example"), rows("refused"))
def test_what_is_refused(row: Field, example: Example) -> None:
    """A field that cannot be had, and without which the answer would be another one, is refused by its name."""
    with pytest.raises(DialectError, match=f"^{row.field}: expected "):
        decoded(row.dialect, example.put)


def known(dialect: str) -> set[str]:
    """The fields that the table names, with those around them."""
    found = {row.field.partition("[")[0] for row in FIELDS if row.dialect == dialect}
    return found | {field.rpartition(".")[0] or field for field in found} | {field.partition(".")[0] for field in found}


def test_the_providers_fields_are_known() -> None:
    """Every field that the providers' own clients can send is in the table."""
    theirs = {
        "chat": chat_params.CompletionCreateParamsBase.__annotations__,
        "responses": responses_params.ResponseCreateParamsBase.__annotations__,
        "anthropic": anthropic_params.MessageCreateParamsBase.__annotations__,
        "google": renamed({f"generationConfig.{name}": 0 for name in google_types.GenerationConfig.model_fields}),
    }
    for dialect, names in theirs.items():
        assert set(names) - known(dialect) == set()


def test_other_fields_have_their_row() -> None:
    """Each dialect says what becomes of a field that nobody has heard of."""
    assert [row.dialect for row in FIELDS if row.field == OTHER] == ["chat", "responses", "anthropic", "google"]
