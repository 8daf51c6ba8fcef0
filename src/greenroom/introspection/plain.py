"""Any value as plain data, bounded in size, its secrets masked.

What actors show of themselves is made of whatever they are made of. This turns it into what JSON knows, and can
neither raise nor run for long: foreign objects become a short text, deep and large ones are cut.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec

T = TypeVar("T")

MASK: Final = "***"
_SECRET: Final = frozenset(
    {"authorization", "credential", "credentials", "key", "keys", "password", "secret", "secrets", "token"}
)
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_DEPTH: Final = 12
_VALUES: Final = 20_000
_TEXT: Final = 4000
_FOREIGN: Final = 200
_CUT: Final = "..."


def plain(value: object) -> Any:  # noqa: ANN401 - plain data has no better type
    """The value as dicts, lists, text, numbers and None."""
    return _Walk().visit(value, _DEPTH)


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret. The name of a variable that holds one is none, nor are token ids."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(_SECRET.intersection(words)) and words[-1] not in {"env", "ids"}


class _Walk:
    """One value's translation, so many inner values at most."""

    def __init__(self) -> None:
        self._left = _VALUES

    def visit(self, value: object, depth: int) -> Any:  # noqa: ANN401
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return _cut(value, _TEXT)
            case bytes():
                return f"{len(value)} bytes"
            case list() | tuple() | set() | frozenset():
                return self._list(cast("Iterable[object]", value), depth)
            case _:
                fields = _fields(value)
                return _foreign(value) if fields is None else self._dict(fields, depth)

    def _list(self, items: Iterable[object], depth: int) -> Any:  # noqa: ANN401
        return [self.visit(item, depth - 1) for item in self._some(items)] if depth else _CUT

    def _dict(self, fields: Iterable[tuple[str, object]], depth: int) -> Any:  # noqa: ANN401
        return {name: self._field(name, inner, depth - 1) for name, inner in self._some(fields)} if depth else _CUT

    def _field(self, name: str, value: object, depth: int) -> Any:  # noqa: ANN401
        return MASK if value and is_secret(name) else self.visit(value, depth)

    def _some(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self._left -= 1
            if self._left < 0:
                return
            yield item


def _fields(value: object) -> Iterable[tuple[str, object]] | None:
    if isinstance(value, msgspec.Struct):
        return ((name, getattr(value, name, None)) for name in value.__struct_fields__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return ((_foreign(key), inner) for key, inner in pairs)
    return None


def _foreign(value: object) -> str:
    try:
        return _cut(str(value), _FOREIGN)
    except Exception as error:  # noqa: BLE001 - a boundary: anybody's __str__
        return f"<{type(value).__name__}, whose text raised {type(error).__name__}>"


def _cut(text: str, limit: int) -> str:
    text = text.encode("utf-8", "replace").decode()  # JSON has no lone surrogates
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
