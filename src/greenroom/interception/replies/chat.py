"""Chat completions: one object, or chunks whose deltas add up."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from greenroom.interception.dialects import chat_usage
from greenroom.interception.dialects.chat_pieces import merged
from greenroom.interception.dialects.chat_said import Said, said
from greenroom.interception.errors import ShapeError
from greenroom.interception.finish import ended, ending, native
from greenroom.interception.replies.fields import Fields, inner, items, text
from greenroom.messages import Completion, ToolUse


def read(pieces: list[Fields]) -> Completion:
    """The first choice."""
    whole = merged(pieces)
    choice = (items(whole, "choices") or [Fields()])[0]
    message = inner(choice, "message")
    done = Completion(parts=(*_said(message), *_uses(message)), usage=chat_usage.read(whole, choice))
    return ended(done, ending(choice.get("finish_reason"), native(choice, whole)))


def _said(message: Fields) -> tuple[Said, ...]:
    try:
        return said(message, "message")
    except ShapeError:
        return said({**message, "content": None}, "message")


def _uses(message: Fields) -> Iterator[ToolUse]:
    for call in items(message, "tool_calls"):
        function = inner(call, "function")
        given = inner(function, "arguments")
        arguments = msgspec.json.encode(given).decode() if given else text(function, "arguments")
        yield ToolUse(text(call, "id"), text(function, "name"), arguments)
