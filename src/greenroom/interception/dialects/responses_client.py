"""OpenAI Responses: what an agent did with tools that the provider names, and the agent runs, as calls and results.

Shells, patches, a computer, and the search for tools where the agent does it. The call is one of a tool of that name
whose arguments are what was asked for; the result is what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from greenroom.interception.dialects import arguments, value
from greenroom.interception.dialects.responses_tools import SEARCH, names
from greenroom.messages import ChatMessage, Image, Text, ToolResult, ToolUse

_Fields = dict[str, Any]

_CALLS = {
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
    "computer_call": ("computer", "action"),
    "tool_search_call": (SEARCH, "arguments"),
}
"""What the tool is called, and where its arguments are."""


def read(kind: str, fields: _Fields) -> ChatMessage | None:
    """The message of an item of ``kind``; ``None`` if it is none of these. Raises `DialectError`."""
    id = fields.get("call_id") or fields.get("id")
    # The provider's own searches have no id, and there the search is its affair.
    if not isinstance(id, str) or (kind in _SEARCHES and fields.get("execution") != "client"):
        return None
    if kind in _CALLS:
        name, place = _CALLS[kind]
        given = fields.pop(place, None)
        text = given if isinstance(given, str) else arguments.written(value.optional_object(given, place))
        return ChatMessage("assistant", (ToolUse(id, name, text),))
    result = _RESULTS.get(kind)
    return None if result is None else ChatMessage("tool", (ToolResult(id, result(fields)),))


def _output(fields: _Fields) -> tuple[Text | Image, ...]:
    output = fields.pop("output", None)
    if isinstance(output, str):
        return (Text(output),)
    status = fields.get("status")
    return (Text(f"[{status}]" if isinstance(status, str) else ""),)


def _shell_output(fields: _Fields) -> tuple[Text | Image, ...]:
    output = fields.get("output")
    if isinstance(output, str):
        return _output(fields)
    pieces = [value.as_object(piece, f"output[{at}]") for at, piece in enumerate(value.as_list(output, "output"))]
    return tuple(Text(text) for piece in pieces for text in _streams(piece))


def _streams(piece: _Fields) -> list[str]:
    texts = [text for name in ("stdout", "stderr") if isinstance(text := piece.get(name), str) and text]
    outcome = piece.get("outcome")
    ended = cast("_Fields", outcome) if isinstance(outcome, dict) else {}
    if isinstance(code := ended.get("exit_code"), int):
        texts.append(f"[exit code {code}]")
    elif ended.get("type") == "timeout":
        texts.append("[timed out]")
    return texts


def _screenshot(fields: _Fields) -> tuple[Text | Image, ...]:
    output = value.optional_object(fields.get("output"), "output")
    url = output.get("image_url")
    return (Image(url) if isinstance(url, str) else Text("[computer_screenshot]"),)


def _found(fields: _Fields) -> tuple[Text | Image, ...]:
    return (Text(f"[tool_search_output: {', '.join(names(fields.get('tools')))}]"),)


_SEARCHES = ("tool_search_call", "tool_search_output")
_RESULTS: dict[str, Callable[[_Fields], tuple[Text | Image, ...]]] = {
    "local_shell_call_output": _output,
    "shell_call_output": _shell_output,
    "apply_patch_call_output": _output,
    "computer_call_output": _screenshot,
    "tool_search_output": _found,
}
