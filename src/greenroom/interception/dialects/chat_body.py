"""OpenAI chat completions: the body of an answer, in one piece or streamed, an answer or an error.

A byte order mark, blank lines and comments that keep a connection alive may come before the answer.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from greenroom.interception.dialects import value
from greenroom.interception.dialects.chat_pieces import chosen, merged
from greenroom.interception.dialects.sse import Parser, ServerSentEvent
from greenroom.interception.envelope import error_of, is_fields
from greenroom.interception.errors import DialectError

_Fields = dict[str, Any]

_MARK = b"\xef\xbb\xbf"
_DONE = "[DONE]"


class Body(Struct, frozen=True):
    """What a body holds."""

    fields: _Fields = {}
    """The completion, as if it had not been streamed; without choices where there is none."""
    error: object = None
    """The error that came in its place, or broke it off."""
    ended: bool = True
    """False for a stream that says neither that it is done nor why it ended."""


def read(body: bytes) -> Body:
    """Read a body.

    Raises:
        DialectError: It is neither JSON nor a stream of JSON, or was cut.
    """
    text = _without_comments(body)
    if text[:1] in (b"{", b"["):
        return _of_one(_decoded(text))
    events = Parser(limit=len(body) + 1).feed(text + b"\n\n")
    if not events:
        value.fail("", "a chat completion")
    return _of_events(events)


def _of_one(whole: object) -> Body:
    if isinstance(whole, list):
        # Google's endpoint for chat completions puts errors into a list.
        items = cast("list[object]", whole)
        return _of_one(items[0]) if len(items) == 1 else value.fail("", "an object")
    fields = value.as_object(whole, "")
    choices = fields.get("choices")
    choice = chosen(cast("list[object]", choices)) if isinstance(choices, list) else None
    if is_fields(choice) and "delta" in choice and not choice.get("message"):
        fields = merged([fields])
    return Body(fields, error=error_of(fields))


def _of_events(events: list[ServerSentEvent]) -> Body:
    pieces: list[_Fields] = []
    for event in events:
        data = event.data.strip()
        if data == _DONE or not data:
            continue
        try:
            piece = _decoded(data.encode())
        except DialectError:
            if event.name == "error":
                return Body(error=data)
            raise
        if event.name == "error":
            return Body(error=piece)
        if not is_fields(piece):
            value.fail("", "objects in the events")
        if error_of(piece) is not None:
            return Body(error=piece)
        pieces.append(piece)
    fields = merged(pieces)
    choices: list[_Fields] = fields.get("choices") or [{}]
    ended = events[-1].data.strip() == _DONE or choices[0].get("finish_reason") is not None
    return Body(fields, ended=ended)


def _decoded(text: bytes) -> object:
    try:
        return value.load(text)
    except (ValueError, RecursionError):
        value.fail("", "valid JSON in UTF-8")


def _without_comments(body: bytes) -> bytes:
    """From where the answer begins."""
    text = body.removeprefix(_MARK).lstrip()
    while text.startswith(b":"):
        text = text.partition(b"\n")[2].lstrip()
    return text
