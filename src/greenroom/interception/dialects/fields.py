"""What becomes of every field of every dialect, and which an upstream is not told though they mean something.

The documentation prints `FIELDS`; tests hold it against what the code does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from greenroom.interception.dialects import anthropic_fields, chat_fields, google_fields, responses_fields
from greenroom.interception.dialects.field import OTHER, Fate, Field
from greenroom.messages import ModelCall

_Fields = dict[str, Any]

FIELDS: tuple[Field, ...] = (
    *chat_fields.FIELDS,
    *responses_fields.FIELDS,
    *anthropic_fields.FIELDS,
    *google_fields.FIELDS,
)
_FATES: Mapping[tuple[str, str], Fate] = {(row.dialect, row.field): row.fate for row in FIELDS}
_PLACES = frozenset(
    {"messages", "input", "contents", "system", "instructions", "tools", "tool_choice", "stream_options"}
)
"""Fields of the body that hold what is left of what was read, or what was read in full."""
_OURS = ("custom", "namespace", "tool_search")
"""Kinds of tools that the agent runs, where a tool still says its kind."""


def unheard(call: ModelCall) -> frozenset[str]:
    """The fields of a call that would mean something to a model, and that an upstream is not told."""
    if call.dialect == "chat":
        return frozenset({"n"} & call.extra.keys())
    return frozenset(_unheard(call))


def _unheard(call: ModelCall) -> Iterator[str]:
    for left in call.extra.get("tools", {}).values():
        yield from (path for path in _of_tool(call, left) if _FATES.get((call.dialect, path)) == "left")
    if call.dialect == "responses" and call.tool_choice is None and call.extra.get("tool_choice"):
        yield "tool_choice[type=other]"
    for name in call.extra:
        for path in _paths(call, name):
            fate = _FATES.get((call.dialect, path))
            if fate in (None, "left"):
                yield path if fate else OTHER


def _of_tool(call: ModelCall, left: _Fields) -> Iterator[str]:
    """The paths of what is left of a tool."""
    if call.dialect == "google":
        for name in left:
            if name != "functionDeclarations":
                yield "tools[].other"
        declared: dict[str, _Fields] = left.get("functionDeclarations", {})
        yield from (f"tools[].functionDeclarations[].{name}" for more in declared.values() for name in more)
    elif left.get("type", "custom") in _OURS:
        yield from (f"tools[].{name}" for name in left)
    else:
        yield "tools[type=other]"


def _paths(call: ModelCall, name: str) -> Iterator[str]:
    content = call.extra[name]
    if name in _PLACES or content is None:
        return
    if (call.dialect, name) in _FATES or not isinstance(content, dict):
        yield name
        return
    for inner, more in cast("_Fields", content).items():
        path = f"{name}.{inner}"
        if isinstance(more, dict) and (call.dialect, path) not in _FATES:
            yield from (f"{path}.{last}" for last in cast("_Fields", more))
        else:
            yield path
