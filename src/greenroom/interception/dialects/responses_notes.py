"""OpenAI Responses: notes in the place of items that have no neutral word.

A note says what kind of item was there and what it is called, and then, a line each, the texts that were said in it:
what was searched for, the code that ran and what it printed. What nobody but the provider can read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from greenroom.interception.dialects import value
from greenroom.interception.dialects.responses_tools import names
from greenroom.messages import ChatMessage, Role, Text

_Fields = dict[str, Any]

BRINGERS = ("additional_tools", "tool_search_output")
"""Items that bring tools."""
_NAMES = ("name", "server_label", "title", "filename")
_SAID = (
    *("query", "queries", "url", "pattern", "code", "logs", "arguments", "input", "output", "text", "summary"),
    *("message", "error", "reason", "revised_prompt", "instructions", "prompt"),
)
"""Names of fields that hold what somebody said, at any depth."""
_THEIRS = ("_output", "_response", "_result")
"""How kinds of items end that come from the agent's side."""
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def note(kind: str, fields: _Fields) -> ChatMessage:
    """The note for an item of ``kind``. Raises `DialectError` when it nests too deeply."""
    value.check_depth(fields)
    name = ", ".join(names(fields.get("tools"))) if kind in BRINGERS else _name(kind, fields)
    head = f"[{kind}: {name}]" if name else f"[{kind}]"
    return ChatMessage(_role(kind, fields.get("role")), (Text("\n".join([head, *_said(fields)])),))


def _name(kind: str, fields: _Fields) -> str:
    places = ("id",) if kind == "item_reference" else _NAMES
    return next((name for place in places if isinstance(name := fields.get(place), str)), "")


def _role(kind: str, role: object) -> Role:
    given = _ROLES.get(role) if isinstance(role, str) else None
    return given or ("user" if kind.endswith(_THEIRS) else "assistant")


def _said(content: object) -> Iterator[str]:
    if isinstance(content, list):
        for item in cast("list[object]", content):
            yield from _said(item)
    elif isinstance(content, dict):
        for name, inner in cast("_Fields", content).items():
            if name == "tools":
                continue
            yield from _texts(inner) if name in _SAID else _said(inner)


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for item in cast("list[object]", content):
            yield from _texts(item)
    else:
        yield from _said(content)
