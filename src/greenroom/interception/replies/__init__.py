"""What providers answer, read as far as it can be: for the record of calls that are only passed on.

Nothing here raises. What a provider says is not ours to judge, and what cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from greenroom.interception.dialects.sse import Parser
from greenroom.interception.replies import anthropic, chat, google, responses
from greenroom.interception.replies.fields import Fields, is_fields
from greenroom.messages import Completion
from greenroom.specs import Dialect

_READERS: Mapping[Dialect, Callable[[list[Fields]], Completion]] = {
    "chat": chat.read,
    "responses": responses.read,
    "anthropic": anthropic.read,
    "google": google.read,
}


def read(dialect: Dialect, body: bytes) -> Completion:
    """The answer in a whole response, one piece or a stream; an empty one if nothing can be made of it."""
    return _READERS[dialect](pieces_of(body))


def pieces_of(body: bytes | bytearray) -> list[Fields]:
    """The JSON objects a response consists of: itself, the items of its array so far, or the data of its events."""
    whole = decoded(body)
    if whole is None and body.lstrip().startswith(b"["):
        whole = decoded(body.rstrip(b", \r\n\t") + b"]")
    if isinstance(whole, list):
        return [piece for piece in cast("list[object]", whole) if is_fields(piece)]
    if is_fields(whole):
        return [whole]
    events = Parser(limit=len(body) + 1).feed(bytes(body) + b"\n\n")
    return [piece for event in events if is_fields(piece := decoded(event.data))]


def decoded(text: bytes | bytearray | str) -> object:
    """What this JSON says; ``None`` if it is none."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
