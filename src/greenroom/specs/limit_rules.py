"""What limits may be, and how they are changed: by Python's values, or by the text of a command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import msgspec
from msgspec.structs import asdict

from greenroom.specs.docker import parse_size
from greenroom.specs.limits import Bounds, Limits

_KINDS = ("backend", "agent", "image")
_NONE = "none"
_FIELDS = ", ".join(Bounds.__struct_fields__)


def bounds(limits: Limits, concurrency: int) -> Bounds:
    """All of them. Raises `ValueError` that names the field."""
    return changed(Bounds(concurrency=concurrency), asdict(limits))


def changed(old: Bounds, changes: Mapping[str, object]) -> Bounds:
    """The limits after these changes; names such as ``image:python:3.12`` are those of `Limits.named`.

    Raises:
        ValueError: There is no such limit, or it cannot be so; nothing is changed then.
    """
    fields = asdict(old)
    named = dict(old.named)
    for name, value in changes.items():
        if name == "named":
            named = _named(value)
        elif name in fields:
            fields[name] = _RULES[name](name, _plain(value))
        elif _is_named(name):
            _set(named, name, _plain(value))
        else:
            raise ValueError(f"{name}: there is no such limit; there are {_FIELDS}, and image:NAME and the like")
    return msgspec.convert({**fields, "named": named}, Bounds)


def _plain(value: object) -> object:
    """What a text means: a number, nothing, or itself."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() == _NONE:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _named(value: object) -> dict[str, int]:
    named: dict[str, int] = {}
    if not isinstance(value, Mapping):
        raise ValueError(f"named: expected limits by name, got {value!r}")  # noqa: TRY004 - one kind for all of them
    for name, count in cast("Mapping[object, object]", value).items():
        if not isinstance(name, str) or not _is_named(name):
            raise ValueError(f"named: expected a name such as 'image:python:3.12', got {name!r}")
        _set(named, name, count)
    return named


def _set(named: dict[str, int], name: str, value: object) -> None:
    if value is None:
        named.pop(name, None)
    else:
        named[name] = _count(name, value)


def _is_named(name: str) -> bool:
    kind, colon, rest = name.partition(":")
    return kind in _KINDS and bool(colon and rest)


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: expected a whole number, 1 or more, got {value!r}")
    return value


def _perhaps_count(name: str, value: object) -> int | None:
    return None if value is None else _count(name, value)


def _seconds(name: str, value: object) -> float:
    found = _perhaps_positive(name, value or 0.0)
    return found or 0.0


def _perhaps_positive(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number, 0 or more, or none, got {value!r}")
    return float(value)


def _share(name: str, value: object) -> float | None:
    found = _perhaps_positive(name, value)
    if found is not None and not 0 < found <= 1:
        raise ValueError(f"{name}: expected a share between 0 and 1, or none, got {value!r}")
    return found


def _size(name: str, value: object) -> str | None:
    if value is None:
        return None
    try:
        parse_size(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return str(value)


_RULES: dict[str, Callable[[str, object], object]] = {
    "concurrency": _count,
    "per_backend": _perhaps_count,
    "per_agent": _perhaps_count,
    "per_image": _perhaps_count,
    "queue": _count,
    "jitter": _seconds,
    "free_memory": _size,
    "load": _perhaps_positive,
    "open_files": _share,
    "boot": _perhaps_positive,
}
