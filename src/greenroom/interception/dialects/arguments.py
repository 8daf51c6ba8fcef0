"""Arguments of tools, in dialects that have room for a JSON object alone where the neutral word is JSON text."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from greenroom.interception.dialects import value
from greenroom.interception.errors import DialectError

INVALID_JSON = "INVALID_JSON"
"""The name under which Anthropic's documentation has arguments that are no JSON object put into one.

The agent refuses them, and the model learns what it did wrong.
"""


def written(given: dict[str, Any]) -> str:
    """The JSON text, spaced as models are trained to write it: how it was first written is not sent back.

    Raises:
        DialectError: It nests too deeply.
    """
    raw = given.get(INVALID_JSON)
    if isinstance(raw, str) and len(given) == 1:
        return raw
    value.check_depth(given)
    return msgspec.json.format(msgspec.json.encode(given), indent=0).decode()


def as_object(arguments: str) -> Raw:
    """The JSON object, as the model wrote it if it wrote one."""
    raw = arguments.strip().encode() or b"{}"
    try:
        # The same bound as for what agents send: they send this back.
        value.check_depth(value.as_object(msgspec.json.decode(raw), ""))
    except (ValueError, RecursionError, DialectError):
        return Raw(msgspec.json.encode({INVALID_JSON: arguments}))
    return Raw(raw)
