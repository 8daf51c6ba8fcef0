"""Tools that take free text instead of arguments, which OpenAI calls custom ones, as functions any model can call.

Such a tool becomes a function with the one string parameter ``input``.
"""

from __future__ import annotations

from typing import Any

from greenroom.interception.dialects import arguments, value
from greenroom.interception.errors import DialectError

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


def given(text: str) -> str:
    """The arguments of a function that stands for a custom tool given ``text``."""
    return arguments.written({"input": text})


def taken(written: str) -> str:
    """What a custom tool is given; the arguments as ``written`` when the model did not keep to the schema."""
    try:
        text = value.parse(written.encode()).get("input")
    except DialectError:
        return written
    return text if isinstance(text, str) else written
