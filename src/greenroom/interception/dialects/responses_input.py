"""OpenAI Responses: the items of a request's ``input``, as messages.

Each item becomes a message, and what has no neutral word stays in it. A part of a message that has none, a document
say, is a note that it was there. Items that stand for something the provider keeps, or that its own tools make, are
refused: left out, the model would see another conversation than the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenroom.interception.dialects import responses_tools, value
from greenroom.interception.dialects.turns import joined
from greenroom.messages import ChatMessage, Image, Role, Text, Thinking, ToolResult, ToolUse

_Fields = dict[str, Any]

UNSIGNED = "unsigned"
"""Stands for the encrypted content of reasoning that has none: without any, agents do not send their reasoning back."""

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def read(given: object) -> tuple[tuple[ChatMessage, ...], dict[str, _Fields]]:
    """The conversation, and what is left of each item by its position. Raises `DialectError`."""
    if isinstance(given, str):
        return (ChatMessage("user", (Text(given),)),), {}
    messages, left = value.each(given, "input", _item)
    return joined(messages), left


def _item(fields: _Fields) -> ChatMessage:
    kind = fields.pop("type", None)
    if kind is None and "role" in fields:
        kind = "message"
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        value.fail("type", "one of " + ", ".join(_READERS))
    return reader(fields)


def _message(fields: _Fields) -> ChatMessage:
    role = _ROLES.get(value.as_text(fields.pop("role", None), "role"))
    if role is None:
        value.fail("role", "one of " + ", ".join(_ROLES))
    return ChatMessage(role, _content(fields, "content"))


def _content(fields: _Fields, name: str) -> tuple[Text | Image, ...]:
    content = fields.pop(name, None)
    if isinstance(content, str):
        return (Text(content),)
    parts, left = value.each(content, name, _part)
    if left:
        fields[name] = left
    return tuple(parts)


def _part(fields: _Fields) -> Text | Image:
    kind = value.as_text(fields.get("type"), "type")
    name = _TEXTS.get(kind)
    if name is not None:
        del fields["type"]
        return Text(_text(fields, name))
    # An image may also be a file of the provider's, which nobody else can read.
    if kind == "input_image" and fields.get("image_url") is not None:
        del fields["type"]
        return Image(_text(fields, "image_url"), value.optional_text(fields.pop("detail", None), "detail"))
    return _note(kind, fields)


def _note(kind: str, fields: _Fields) -> Text:
    """What a model without a sense for such a part reads in its place."""
    name = fields.get("filename")
    return Text(f"[{kind}: {name}]" if isinstance(name, str) else f"[{kind}]")


def _reasoning(fields: _Fields) -> ChatMessage:
    """The reasoning itself where it is there, its summary otherwise; our own replies carry the whole text there."""
    summary = value.each(fields.pop("summary", None), "summary", _said)[0]
    content = value.each(fields.pop("content", None), "content", _said)[0]
    signature = value.optional_text(fields.pop("encrypted_content", None), "encrypted_content")
    text = "\n\n".join(content or summary)
    if signature in (None, "", UNSIGNED):
        return _assistant(Thinking(text))
    return _assistant(Thinking(text, signature, redacted=not text))


def _said(part: _Fields) -> str:
    return value.as_text(part.get("text"), "text")


def _function_call(fields: _Fields) -> ChatMessage:
    return _assistant(ToolUse(_call_id(fields), _name(fields), _text(fields, "arguments")))


def _custom_call(fields: _Fields) -> ChatMessage:
    return _assistant(ToolUse(_call_id(fields), _name(fields), responses_tools.given(_text(fields, "input"))))


def _output(fields: _Fields) -> ChatMessage:
    return ChatMessage("tool", (ToolResult(_call_id(fields), _content(fields, "output")),))


def _assistant(part: Thinking | ToolUse) -> ChatMessage:
    return ChatMessage("assistant", (part,))


def _call_id(fields: _Fields) -> str:
    return _text(fields, "call_id")


def _name(fields: _Fields) -> str:
    namespace = value.optional_text(fields.pop("namespace", None), "namespace")
    return responses_tools.qualified(namespace, _text(fields, "name"))


def _text(fields: _Fields, name: str) -> str:
    return value.as_text(fields.pop(name, None), name)


_READERS: dict[str, Callable[[_Fields], ChatMessage]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
}
