"""Reading untrusted JSON: every value is checked, and every complaint names the place, never the value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Never, TypeVar, cast

import msgspec

from greenroom.interception.errors import DialectError

_T = TypeVar("_T")

MAX_DEPTH = 100
"""Deepest nesting of what a request may hold. JSON schemas of real tools stay under 20."""


def fail(where: str, expected: str) -> Never:
    """Complain about the value at ``where``."""
    raise DialectError(f"{where or 'body'}: expected {expected}")


def parse(body: bytes) -> dict[str, Any]:
    """Parse a body that has to be a JSON object.

    Raises:
        DialectError: It is not one.
    """
    try:
        value = load(body)
    except (ValueError, RecursionError):
        fail("", "valid JSON in UTF-8")
    return as_object(value, "")


def load(body: bytes) -> object:
    """Decode JSON, halves of surrogate pairs included. Raises `ValueError` and `RecursionError`."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        # Agents written in JavaScript cut text in the middle of a surrogate pair and send the half as an escape,
        # which the strict parser refuses. The lenient one takes it, and the half becomes a question mark.
        if b"\\ud" not in body and b"\\uD" not in body:
            raise
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return msgspec.json.decode(text.encode(errors="replace"))


def check_depth(value: object, limit: int = MAX_DEPTH) -> None:
    """Raise `DialectError` when objects and lists nest deeper than ``limit``."""
    level: list[object] = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return
    fail("", f"at most {limit} levels of nesting")


def _containers(value: object) -> list[object]:
    if type(value) is dict:
        values = cast("dict[str, object]", value).values()
        return [inner for inner in values if type(inner) is dict or type(inner) is list]
    return [inner for inner in cast("list[object]", value) if type(inner) is dict or type(inner) is list]


def each(items: object, where: str, read: Callable[[dict[str, Any]], _T]) -> tuple[list[_T], dict[str, dict[str, Any]]]:
    """Read a list of objects; what ``read`` leaves of each is kept by its position.

    Raises:
        DialectError: It is none, or ``read`` raised it; the place is put before what ``read`` said.
    """
    done: list[_T] = []
    left: dict[str, dict[str, Any]] = {}
    for at, item in enumerate(as_list(items, where)):
        if not isinstance(item, dict):
            fail(f"{where}[{at}]", "an object")
        fields = cast("dict[str, Any]", item)
        try:
            done.append(read(fields))
        except DialectError as error:
            # The place is put together only where something is wrong: this runs for every message of every call.
            raise DialectError(f"{where}[{at}].{error}", error.status, error.code) from None
        if fields:
            left[str(at)] = fields
    return done, left


def as_object(value: object, where: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        fail(where, "an object")
    return cast("dict[str, Any]", value)


def optional_object(value: object, where: str) -> dict[str, Any]:
    """A JSON object; ``null`` is an empty one."""
    return {} if value is None else as_object(value, where)


def as_list(value: object, where: str) -> list[Any]:
    """A JSON array; ``null`` is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        fail(where, "an array")
    return cast("list[Any]", value)  # type: ignore[redundant-cast]  # pyright sees a list of unknowns


def one_or_more(value: object) -> object:
    """An array as it is, and an object as an array that holds it: protocol buffers' JSON takes one for the other."""
    return [cast("dict[str, Any]", value)] if isinstance(value, dict) else value


def texts(value: object, where: str) -> tuple[str, ...]:
    """A JSON array of strings; a string is an array that holds it, ``null`` an empty one."""
    if isinstance(value, str):
        return (value,)
    return tuple(as_text(item, f"{where}[{at}]") for at, item in enumerate(as_list(value, where)))


def as_text(value: object, where: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        fail(where, "a string")
    return value


def optional_text(value: object, where: str) -> str | None:
    """A JSON string or ``null``."""
    return None if value is None else as_text(value, where)


def as_flag(value: object, where: str) -> bool:
    """A JSON boolean; ``null`` is false."""
    if value is None:
        return False
    if not isinstance(value, bool):
        fail(where, "true or false")
    return value


def optional_integer(value: object, where: str) -> int | None:
    """A JSON integer of at most 64 bits, or ``null``. ``100.0`` is one: languages without integers write it so."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        fail(where, "an integer")
    return value


def optional_number(value: object, where: str) -> float | None:
    """A JSON number or ``null``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail(where, "a number")
    try:
        return float(value)
    except OverflowError:
        fail(where, "a number")
