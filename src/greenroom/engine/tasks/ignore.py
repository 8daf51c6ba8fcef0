"""Fields that somebody wants to do without, although tasks ask for them: said by name, and noted in the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from greenroom.specs import Environment, TaskSpec

_OPTIONAL = ("agent_user", "verify_user", "host_tools")
_WISHES = ("image", "build", "cpus", "memory_mb", "storage_mb", "network", "workdir", "directories", "healthcheck")
IGNORABLE = (*_OPTIONAL, *(f"{name}.{wish}" for name in ("environment", "verify_environment") for wish in _WISHES))
"""All that can be done without. Without any other field it would be another task."""


def check_ignored(names: Sequence[str]) -> list[str]:
    """What is wrong with these names."""
    strangers = [name for name in names if name not in IGNORABLE]
    allowed = ", ".join(IGNORABLE)
    return [f"ignore: {name!r} is not a field that can be done without; allowed: {allowed}" for name in strangers]


def without(task: TaskSpec, names: Sequence[str]) -> TaskSpec:
    """The task, without those of these fields that it has."""
    ignored = [name for name in names if _value(task, name) != _default(name)]
    for name in ignored:
        task = _drop(task, name)
    if not ignored:
        return task
    return replace(task, metadata={**task.metadata, "ignored": ", ".join(ignored)})


def _value(task: TaskSpec, name: str) -> Any:  # noqa: ANN401 - of any field
    field, _, inner = name.partition(".")
    value = getattr(task, field)
    return value if not inner else _default(name) if value is None else getattr(value, inner)


def _default(name: str) -> object:
    field, _, inner = name.partition(".")
    return next(found.default for found in msgspec.structs.fields(Environment if inner else TaskSpec)
                if found.name == (inner or field))  # fmt: skip


def _drop(task: TaskSpec, name: str) -> TaskSpec:
    field, _, inner = name.partition(".")
    if not inner:
        return replace(task, **{field: _default(name)})
    return replace(task, **{field: replace(getattr(task, field), **{inner: _default(name)})})
