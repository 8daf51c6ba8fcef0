"""A task with holes, filled from the rows of a data set.

``{{ column }}`` stands for a value of the row, ``{{ a.b }}`` for one inside it. A text that is nothing but one hole
becomes the value itself, of whatever type; in a longer text the value is written out. ``{{ column | sh }}`` writes it
as one word of a shell command, ``{{ column | json }}`` as JSON. Holes may be in all texts, names of files included.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from greenroom.engine.tasks.errors import FileProblem
from greenroom.engine.tasks.tree import Table

_HOLE = re.compile(r"\{\{\s*([^{}|]+?)\s*(?:\|\s*(\w+)\s*)?\}\}")


class _Missing(Exception):
    """A hole that a row does not fill. The text says why."""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_FILTERS: dict[str | None, Callable[[object], str]] = {
    None: _plain,
    "json": _json,
    "sh": lambda value: shlex.quote(_plain(value)),
}


class Template:
    """What a row is made into a task with."""

    def __init__(self, path: Path, table: Table) -> None:
        if "task" in table:
            raise FileProblem(f"{path}: $.task: a template is one task, at top level")
        self._path = path
        self._table = table

    def fill(self, row: Table) -> tuple[Table, list[str]]:
        """The table of a task, and what is wrong with it."""
        problems: list[str] = []
        table: Table = {name: self._value(f"$.{name}", value, row, problems) for name, value in self._table.items()}
        return table, problems

    def _value(self, at: str, value: object, row: Table, problems: list[str]) -> object:
        match value:
            case str():
                return self._text(at, value, row, problems)
            case list():
                items = cast("list[object]", value)
                return [self._value(f"{at}[{index}]", item, row, problems) for index, item in enumerate(items)]
            case dict():
                return {
                    str(self._text(at, name, row, problems)): self._value(f"{at}[{name!r}]", item, row, problems)
                    for name, item in cast("dict[str, object]", value).items()
                }
            case _:
                return value

    def _text(self, at: str, text: str, row: Table, problems: list[str]) -> object:
        try:
            whole = _HOLE.fullmatch(text.strip())
            if whole and whole[2] is None:
                return _look_up(row, whole[1])
            return _HOLE.sub(lambda hole: _written(row, hole), text)
        except _Missing as missing:
            problems.append(f"{at} of {self._path}: {missing}")
            return text


def _written(row: Table, hole: re.Match[str]) -> str:
    write = _FILTERS.get(hole[2])
    if write is None:
        known = ", ".join(name for name in _FILTERS if name)
        raise _Missing(f"unknown filter {hole[2]!r} in {hole[0]}; allowed: {known}")
    return write(_look_up(row, hole[1]))


def _look_up(row: Mapping[str, Any], name: str) -> object:
    if name in row:
        return row[name]
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise _Missing(f"the row has no {name!r}; it has: {', '.join(row)}")
        found = cast("Mapping[str, Any]", found)[part]
    return found
