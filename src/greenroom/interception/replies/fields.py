"""Looking into JSON that may be anything: what is not as expected is as if it were not there."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

Fields = dict[str, Any]


def is_fields(value: object) -> TypeGuard[Fields]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def inner(fields: Fields, name: str) -> Fields:
    """An object within."""
    value = fields.get(name)
    return value if is_fields(value) else {}


def items(fields: Fields, name: str) -> list[Fields]:
    """The objects of an array within."""
    value = fields.get(name)
    return [item for item in cast("list[object]", value) if is_fields(item)] if isinstance(value, list) else []


def text(fields: Fields, name: str) -> str:
    """A text within."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def last(pieces: list[Fields], name: str) -> Fields:
    """The object within the last piece that has one."""
    return next((found for piece in reversed(pieces) if (found := inner(piece, name))), Fields())


def number(fields: Fields, name: str) -> int:
    """A count within."""
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0
