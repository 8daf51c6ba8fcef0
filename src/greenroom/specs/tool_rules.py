"""What a host tool has to be like."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence

import msgspec

from greenroom.specs.tool import HostTool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED = frozenset({"reset", "step", "state", "close"})
"""Verbs that control an environment, which no agent may come to believe it was given."""


def check_tools(tools: Sequence[object]) -> tuple[HostTool, ...]:
    """The tools, if all of them can be offered.

    Raises:
        TypeError: One is no `HostTool`, or its function is not async.
        ValueError: A name, a schema or a time is not allowed, or two have the same name.
    """
    checked: dict[str, HostTool] = {}
    for at, tool in enumerate(tools):
        if not isinstance(tool, HostTool):
            raise TypeError(f"tools[{at}]: expected a HostTool, got {type(tool).__name__}")
        _check(tool, f"tools[{at}]")
        if tool.name in checked:
            raise ValueError(f"tools[{at}].name: two tools are called {tool.name!r}")
        checked[tool.name] = tool
    return tuple(checked.values())


def _check(tool: HostTool, where: str) -> None:
    if not _NAME.fullmatch(tool.name):
        raise ValueError(f"{where}.name: {tool.name!r}; allowed: letters, digits, '_' and '-', at most 64")
    if tool.name in RESERVED:
        raise ValueError(f"{where}.name: {tool.name!r} is reserved, as are {', '.join(sorted(RESERVED))}")
    if not (inspect.iscoroutinefunction(tool.run) or inspect.iscoroutinefunction(getattr(tool.run, "__call__", None))):  # noqa: B004 - its type is asked for
        raise TypeError(f"{where}.run: expected an async function of (arguments, call), got {tool.run!r}")
    if not 0 < tool.seconds < math.inf:
        raise ValueError(f"{where}.seconds: expected seconds above 0, got {tool.seconds!r}")
    _check_schema(tool, f"{where}.parameters")


def _check_schema(tool: HostTool, where: str) -> None:
    if tool.parameters.get("type", "object") != "object":
        raise ValueError(f"{where}: expected the schema of an object, got type {tool.parameters['type']!r}")
    try:
        msgspec.json.encode(tool.parameters)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{where}: cannot be written as JSON: {error}") from None
