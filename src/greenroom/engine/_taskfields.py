"""Is this table a task? Pure: a table in, a `TaskSpec` or all that is wrong with it out."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, get_args

import msgspec

from greenroom.specs import RewardRule, TaskSpec

_FIELDS = {field.name: field for field in msgspec.structs.fields(TaskSpec)}
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AT = re.compile(r" - at `\$(.*)`$", re.DOTALL)


def check_task(table: Mapping[str, object]) -> tuple[TaskSpec | None, list[str]]:
    """The task, or its problems, each with the path of the field (``$.files``) and what is allowed there."""
    problems = [_unknown(name) for name in table if name not in _FIELDS]
    values: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name in table:
            values[name] = _convert(name, table[name], field.type, problems)
        elif field.required:
            problems.append(f"$.{name}: required, but missing")
    if not problems:
        problems += _check_values(values)
    return (None, problems) if problems else (TaskSpec(**values), [])


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _FIELDS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"$.{name}: unknown field; {hint}allowed: {', '.join(_FIELDS)}"


def _convert(name: str, value: object, type_: object, problems: list[str]) -> object:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        text = str(error)
        inner = _AT.search(text)
        allowed = f"; allowed: {', '.join(get_args(RewardRule))}" if name == "reward" else ""
        problems.append(f"$.{name}{inner[1] if inner else ''}: {_AT.sub('', text)}{allowed}")
        return None


def _check_values(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        check = _CHECKS.get(name)
        if check is not None and value is not None:
            yield from (f"$.{name}{at}" for at in check(value))


def _id(value: str) -> Iterator[str]:
    if not _ID.fullmatch(value):
        yield (
            f": {value!r} cannot be an id; allowed: letters, digits, '.', '_' and '-', "
            "at most 128, a letter, digit or '_' first"
        )


def _text(value: str) -> Iterator[str]:
    if not value.strip():
        yield ": is empty"


def _paths(value: dict[str, str]) -> Iterator[str]:
    for name in value:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or str(path) != name or "\0" in name or name == ".":
            yield f"[{name!r}]: not a plain path; allowed: paths relative to the work directory, without '..'"
        for parent in path.parents:
            if str(parent) in value:
                yield f"[{name!r}]: {str(parent)!r} is a file too, so it cannot hold another"


def _commands(value: tuple[str, ...]) -> Iterator[str]:
    for index, command in enumerate(value):
        if "\0" in command or not command.strip():
            yield f"[{index}]: not a command; allowed: shell text, not empty, without NUL"


def _env(value: dict[str, str]) -> Iterator[str]:
    for name, text in value.items():
        if not _ENV_NAME.fullmatch(name) or "\0" in text:
            yield f"[{name!r}]: not a variable; allowed: letters, digits and '_', no digit first, a value without NUL"


def _seconds(value: float) -> Iterator[str]:
    if not (0 < value < math.inf):
        yield f": {value!r} is no duration; allowed: seconds above 0"


def _turns(value: int) -> Iterator[str]:
    if value < 1:
        yield f": {value} is no number of turns; allowed: 1 and more"


def _metadata(value: dict[str, object]) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            yield f"[{name!r}]: does not fit into 64 bits"


_CHECKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "id": _id,
    "instruction": _text,
    "files": _paths,
    "setup": _commands,
    "verify": _commands,
    "verify_files": _paths,
    "env": _env,
    "deadline": _seconds,
    "agent_timeout": _seconds,
    "setup_timeout": _seconds,
    "verify_timeout": _seconds,
    "max_turns": _turns,
    "metadata": _metadata,
}
