"""Reads a table into a Struct, and finds everything that is wrong with it instead of the first thing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)

_AT = re.compile(r" - at `\$(.*)`$", re.DOTALL)


def read(
    kind: type[S],
    table: Mapping[str, object],
    at: str,
    problems: list[str],
    *,
    hidden: frozenset[str] = frozenset(),
    anything: frozenset[str] = frozenset(),
) -> S | None:
    """The Struct; ``None`` if anything is wrong, all of which is added to ``problems``.

    Args:
        kind: What the table should be.
        table: What a file says.
        at: Path of the table, with what goes before the name of a field in it: ``$.`` at the top.
        problems: Gets a line for each field that is unknown, missing or wrong.
        hidden: Fields that are unknown here.
        anything: Fields whose values are taken as they are.
    """
    known = {field.name: field for field in _fields(kind) if field.name not in hidden}
    before = len(problems)
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name in known and name in anything:
            values[name] = value
        elif name in known:
            values[name] = _value(known[name].type, value, f"{at}{name}", problems)
        else:
            problems.append(f"{at}{name}: {_unknown(name, list(known))}")
    for name, field in known.items():
        if field.required and name not in table:
            problems.append(f"{at}{name}: required, but missing")
    return kind(**values) if len(problems) == before else None


@cache
def _fields(kind: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Worked out once: it evaluates annotations, which takes longer than all the rest."""
    return msgspec.structs.fields(kind)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown field; {hint}allowed: {', '.join(known)}"


def _value(type_: Any, value: object, at: str, problems: list[str]) -> object:  # noqa: ANN401 - a type of any kind
    kind = _struct(type_)
    if kind is not None and isinstance(value, dict):
        return read(kind, cast("dict[str, object]", value), f"{at}.", problems)
    item = next(iter(get_args(type_)), None) if get_origin(type_) in {list, tuple} else None
    if item is not None and _struct(item) is not None and isinstance(value, list):
        items = enumerate(cast("list[object]", value))
        made = [_value(item, each, f"{at}[{index}]", problems) for index, each in items]
        return made if get_origin(type_) is list else tuple(made)
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        text = str(error)
        inner = _AT.search(text)
        problems.append(f"{at}{inner[1] if inner else ''}: {_AT.sub('', text)}{_literals(type_)}")
        return None


def _struct(type_: Any) -> type[Struct] | None:  # noqa: ANN401 - a type of any kind
    kinds = [type_, *get_args(type_)] if get_origin(type_) not in {list, tuple, dict} else [type_]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)), None)


def _literals(type_: Any) -> str:  # noqa: ANN401 - a type of any kind
    words = [arg for kind in (type_, *get_args(type_)) for arg in get_args(kind) if isinstance(arg, str)]
    return f"; allowed: {', '.join(dict.fromkeys(words))}" if words else ""
