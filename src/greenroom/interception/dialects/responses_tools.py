"""OpenAI Responses: tools, under names and schemas any model can use.

Two kinds have no neutral word of their own. A ``namespace`` groups tools: each becomes one by itself, its name led by
the namespace's, as MCP clients write it. A ``custom`` tool takes free text: it becomes a function with the one string
parameter ``input``. Both stay in ``ModelCall.extra`` as well, by which a call of such a tool finds its way back. Kinds
the provider would run itself (``web_search`` ...) stay there whole and are not offered to the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from msgspec import Struct

from greenroom.interception.dialects import free_text, value
from greenroom.messages import ModelCall, Tool

_Fields = dict[str, Any]


SEARCH = "tool_search"
"""The tool by which a model finds further tools, where the agent does the search."""


class Origin(Struct, frozen=True):
    """A tool as the agent knows it."""

    name: str
    namespace: str | None = None
    custom: bool = False
    search: bool = False


def read(tools: object) -> tuple[tuple[Tool, ...], dict[str, _Fields]]:
    """The tools of a request, and what is left of each by its position. Raises `DialectError`."""
    found, left = value.each(tools, "tools", _tool)
    return tuple(tool for several in found for tool in several), left


def together(tools: object, more: list[object]) -> object:
    """The tools of a request, and those of ``more`` that are not among them. Raises `DialectError`."""
    if not more:
        return tools
    done = value.as_list(tools, "tools")
    known = {name for tool in done for name in names([tool])}
    for tool in more:
        found = set(names([tool]))
        if not found & known:
            done = [*done, tool]
        elif found - known:
            done = [*done, _without(known, cast("_Fields", tool))]
        known |= found
    return done


def _without(known: set[str], namespace: _Fields) -> _Fields:
    name, members = namespace["name"], cast("list[_Fields]", namespace["tools"])
    return {**namespace, "tools": [tool for tool in members if not {qualified(name, n) for n in names([tool])} & known]}


def names(tools: object) -> list[str]:
    """What tools are called, as far as they can be: members of a namespace with its name."""
    found: list[str] = []
    for tool in cast("list[object]", tools) if isinstance(tools, list) else []:
        fields = cast("_Fields", tool) if isinstance(tool, dict) else {}
        name = fields.get("name")
        if fields.get("type") == "namespace" and isinstance(name, str):
            found += [qualified(name, member) for member in names(fields.get("tools"))]
        elif isinstance(name, str):
            found.append(name)
    return found


def origins(call: ModelCall) -> dict[str, Origin]:
    """The tools of ``call`` the agent knows by another name, or as another kind, by the name the model uses."""
    return dict(_origins(call.extra.get("tools", {})))


def qualified(namespace: str | None, name: str) -> str:
    """The name the model uses for a tool of ``namespace``."""
    if not namespace:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def _tool(fields: _Fields) -> list[Tool]:
    kind = fields.get("type", "function")
    if kind == "function":
        fields.pop("type", None)
        return [_function(fields, value.as_text(fields.pop("name", None), "name"))]
    if kind == "custom":
        return [_custom(fields, value.as_text(fields.get("name"), "name"))]
    if kind == SEARCH and fields.get("execution") == "client":
        return [Tool(SEARCH, _description(fields), value.optional_object(fields.pop("parameters", None), "parameters"))]
    return _namespace(fields) if kind == "namespace" else []


def _namespace(fields: _Fields) -> list[Tool]:
    namespace = value.as_text(fields.get("name"), "name")
    found, left = value.each(fields.get("tools"), "tools", partial(_member, namespace))
    fields["tools"] = list(left.values())
    return [tool for tool in found if tool is not None]


def _member(namespace: str, fields: _Fields) -> Tool | None:
    name = qualified(namespace, value.as_text(fields.get("name"), "name"))
    kind = fields.get("type", "function")
    if kind == "function":
        return _function(fields, name)
    return _custom(fields, name) if kind == "custom" else None


def _function(fields: _Fields, name: str) -> Tool:
    return Tool(name, _description(fields), value.optional_object(fields.pop("parameters", None), "parameters"))


def _custom(fields: _Fields, name: str) -> Tool:
    return Tool(name, _description(fields), free_text.PARAMETERS)


def _description(fields: _Fields) -> str:
    return value.optional_text(fields.pop("description", None), "description") or ""


def _origins(left: dict[str, _Fields]) -> Iterator[tuple[str, Origin]]:
    for fields in left.values():
        if fields.get("type") == "custom":
            yield fields["name"], Origin(fields["name"], custom=True)
        elif fields.get("type") == SEARCH and fields.get("execution") == "client":
            yield SEARCH, Origin(SEARCH, search=True)
        elif fields.get("type") == "namespace":
            namespace = fields["name"]
            for member in fields["tools"]:
                origin = Origin(member["name"], namespace, member.get("type") == "custom")
                yield qualified(namespace, origin.name), origin
