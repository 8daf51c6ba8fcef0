"""OpenAI chat completions: the tools that an answer calls, in any of the shapes servers give them."""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects import arguments
from greenroom.interception.dialects.chat_calls import of_message
from greenroom.interception.errors import MisfitError, ShapeError
from greenroom.messages import ToolUse

_Fields = dict[str, Any]


def uses(message: _Fields, where: str) -> tuple[ToolUse, ...]:
    """The calls of a message, by their index where all have one.

    Raises:
        MisfitError: A call has no name: the model said it wrong, or its parser did.
        ShapeError: A call is of no type that says anything.
    """
    calls = [
        _call(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(of_message(message)) if call is not None
    ]
    indexes = [call.get("index") for call in calls]
    if all(type(index) is int for index in indexes) and len({*indexes}) == len(calls):
        calls.sort(key=lambda call: cast("int", call["index"]))
    return tuple(_use(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(calls))


def _call(call: object, where: str) -> _Fields:
    if not isinstance(call, dict):
        raise ShapeError(where, "an object", call)
    return cast("_Fields", call)


def _use(call: _Fields, where: str) -> ToolUse:
    function = _function(call, where)
    name = function.get("name")
    if name is None or name == "":
        raise MisfitError(f"{where}.function.name", "a name", function)
    if not isinstance(name, str):
        raise ShapeError(f"{where}.function.name", "a string", name)
    given = function.get("arguments", function.get("input"))
    return ToolUse(_id(call.get("id"), f"{where}.id"), name, _arguments(given, f"{where}.function.arguments"))


def _function(call: _Fields, where: str) -> _Fields:
    """What is called; some servers have it in the call itself, and that of a tool of free text is ``custom``."""
    found = call.get("function", call.get("custom"))
    if found is None:
        return call
    if not isinstance(found, dict):
        raise ShapeError(f"{where}.function", "an object", found)
    return cast("_Fields", found)


def _id(id: object, where: str) -> str:
    if isinstance(id, bool) or not isinstance(id, str | int | None):
        raise ShapeError(where, "a string", id)
    return "" if id is None else str(id)


def _arguments(given: object, where: str) -> str:
    if isinstance(given, dict):
        return arguments.written(cast("_Fields", given))
    if given is not None and not isinstance(given, str):
        raise ShapeError(where, "a string", given)
    return given or ""
