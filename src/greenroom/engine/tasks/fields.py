"""Is this table a task? Pure: a table in, a `TaskSpec` or all that is wrong with it out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import asdict, replace

from greenroom.engine.tasks.rules import CHECKS, check_together
from greenroom.engine.tasks.structure import read
from greenroom.specs import TaskSpec

_NOT_SAID = frozenset({"origin"})
"""Fields that a table cannot set."""
_ANYTHING = frozenset({"score"})
"""Fields whose values `rules` alone understands."""


def check_task(table: Mapping[str, object], origin: str = "") -> tuple[TaskSpec | None, list[str]]:
    """The task, or its problems, each with the path of the field (``$.files``) and what is allowed there."""
    problems: list[str] = []
    task = read(TaskSpec, table, "$.", problems, hidden=_NOT_SAID, anything=_ANYTHING)
    if task is not None:
        problems += _check_values(task)
    if task is not None and not problems:
        problems += check_together(task)
    return (None, problems) if task is None or problems else (replace(task, origin=origin), [])


def recheck_task(task: TaskSpec) -> list[str]:
    """What is wrong with a task that a program has made."""
    table = asdict(task)
    return check_task({name: value for name, value in table.items() if name not in _NOT_SAID})[1]


def _check_values(task: TaskSpec) -> Iterator[str]:
    for name, check in CHECKS.items():
        value = getattr(task, name)
        if value is not None:
            yield from (f"$.{name}{at}" for at in check(value))
