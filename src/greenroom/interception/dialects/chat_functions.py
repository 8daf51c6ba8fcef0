"""OpenAI chat completions: functions as they were before there were tools, and tools that take free text.

Both are tools as any other in neutral words; a reply is written as the agent that asked expects it. A call of an old
function has no id; it gets one by its number in the conversation, the same in every request.
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects import free_text, value
from greenroom.messages import ModelCall, Tool, ToolUse

_Fields = dict[str, Any]

_MODES = ("auto", "none")
OLD = ("functions", "function_call")
"""Fields of the body that are said as tools to an upstream."""


def tools(fields: _Fields) -> tuple[Tool, ...]:
    """The tools that ``functions`` of a body are. Raises `DialectError`."""
    found = value.as_list(fields.get("functions"), "functions")
    return tuple(
        _function(value.as_object(item, f"functions[{at}]"), f"functions[{at}]") for at, item in enumerate(found)
    )


def choice(fields: _Fields) -> str | None:
    """The tool choice that ``function_call`` of a body is. Raises `DialectError`."""
    given = fields.get("function_call")
    if given is None:
        return None
    if isinstance(given, str):
        return given if given in _MODES else value.fail("function_call", "one of " + ", ".join(_MODES))
    return value.as_text(value.as_object(given, "function_call").get("name"), "function_call.name")


def custom(fields: _Fields) -> Tool:
    """The function that a tool of free text is. It stays in ``fields``. Raises `DialectError`."""
    inner = value.as_object(fields.get("custom"), "custom")
    description = value.optional_text(inner.get("description"), "custom.description") or ""
    return Tool(value.as_text(inner.get("name"), "custom.name"), description, free_text.PARAMETERS)


class Calls:
    """The calls of old functions in a conversation."""

    def __init__(self) -> None:
        self._number = 0
        self._ids: dict[str, str] = {}

    def made(self, message: _Fields) -> tuple[ToolUse, ...]:
        """The call that ``message`` of the assistant's makes, taken out of it. Raises `DialectError`."""
        if message.get("function_call") is None:
            return ()
        call = value.as_object(message.pop("function_call"), "function_call")
        name, text = (value.as_text(call.get(field), f"function_call.{field}") for field in ("name", "arguments"))
        self._ids[name] = f"call_function_{self._number}"
        self._number += 1
        return (ToolUse(self._ids[name], name, text),)

    def answered(self, message: _Fields) -> str:
        """The id of the call that ``message`` of the role ``function`` answers: the last of its name."""
        name = value.as_text(message.pop("name", None), "name")
        return self._ids.get(name, f"call_{name}")


def is_old(call: ModelCall) -> bool:
    """Whether the agent offered its tools as functions alone."""
    functions = cast("list[object]", call.extra.get("functions") or [])
    return bool(functions) and len(functions) == len(call.tools)


def customs(call: ModelCall) -> frozenset[str]:
    """The names of the tools that take free text."""
    left = call.extra.get("tools", {}).values() if call.dialect == "chat" else ()
    return frozenset(tool["custom"]["name"] for tool in left if tool.get("type") == "custom")


def told(uses: list[_Fields], call: ModelCall) -> _Fields:
    """Calls of tools as fields of the reply's message, in the form that the agent asked in. Old agents take one."""
    if is_old(call):
        return {"function_call": uses[0]["function"]}
    names = customs(call)
    return {"tool_calls": [as_custom(use) if use["function"]["name"] in names else use for use in uses]}


def as_custom(use: _Fields) -> _Fields:
    """The call of a function, as that of the tool of free text for which it stands."""
    function = use["function"]
    custom = {"name": function["name"], "input": free_text.taken(function["arguments"])}
    return {"id": use["id"], "type": "custom", "custom": custom}


def finish(reason: str, call: ModelCall) -> str:
    """Why an answer ended, in the word that the agent waits for."""
    return "function_call" if reason == "tool_calls" and is_old(call) else reason


def _function(fields: _Fields, where: str) -> Tool:
    return Tool(
        name=value.as_text(fields.get("name"), f"{where}.name"),
        description=value.optional_text(fields.get("description"), f"{where}.description") or "",
        parameters=value.optional_object(fields.get("parameters"), f"{where}.parameters"),
    )
