"""Google: names of fields, and bytes. Its API takes both ways to write either, as protocol buffers' JSON mapping says.

https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

_Fields = dict[str, Any]


def renamed(fields: _Fields) -> _Fields:
    """The message itself, its fields' names now in camel case: ``system_instruction`` is ``systemInstruction``."""
    for name in [name for name in fields if "_" in name]:
        fields[re.sub(r"_([a-z0-9])", _upper, name)] = fields.pop(name)
    return fields


def standard(data: str) -> str:
    """Base64 in the standard alphabet, padded: what the rest of the world expects, whatever alphabet ``data`` is in."""
    data = data.translate(_STANDARD).rstrip("=")
    return data + "=" * (-len(data) % 4)


def encoded(text: str) -> str:
    """``text`` as the API writes bytes."""
    return base64.b64encode(text.encode()).decode()


def decoded(data: str) -> str:
    """The text of what `encoded` made; anything else as it is."""
    try:
        return base64.b64decode(standard(data), validate=True).decode()
    except (binascii.Error, ValueError):
        return data


_STANDARD = str.maketrans("-_", "+/")


def _upper(match: re.Match[str]) -> str:
    return match[1].upper()
