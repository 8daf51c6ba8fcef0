"""OpenAI Responses: the items of a request's ``input``, as messages.

Each item becomes a message, and what has no neutral word stays in it. What the agent did itself (shells, patches, the
search for tools) is a call and its result, as of any tool. What the provider's own tools did, and kinds of items that
are new to us, are notes of what was said there (`greenroom.interception.dialects.responses_notes`): left out, the model
would see another conversation than the agent. Tools that an item brings can be called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenroom.interception.dialects import (
    documents,
    free_text,
    responses_client,
    responses_notes,
    responses_tools,
    value,
)
from greenroom.interception.dialects.turns import joined
from greenroom.interception.memory import Memory
from greenroom.messages import ChatMessage, Image, Role, Text, Thinking, ToolResult, ToolUse

_Fields = dict[str, Any]

UNSIGNED = "unsigned"
"""Stands for the encrypted content of reasoning that has none: without any, agents do not send their reasoning back."""

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


class Reader:
    """Reads items one after another.

    Args:
        memory: Where items are found that are only referred to.
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self.tools: list[object] = []
        """Tools that items brought, as they stand there."""
        self._memory = memory

    def read(self, given: object) -> tuple[tuple[ChatMessage, ...], dict[str, _Fields]]:
        """The conversation, and what is left of each item by its position. Raises `DialectError`."""
        if isinstance(given, str):
            return (ChatMessage("user", (Text(given),)),), {}
        found, left = value.each(given, "input", self._item)
        return joined(message for messages in found for message in messages), left

    def _item(self, fields: _Fields) -> tuple[ChatMessage, ...]:
        kind = fields.pop("type", None)
        # An item that says no kind is a message, or a reference if there is nothing but an id.
        if kind is None:
            kind = "message" if "role" in fields else "item_reference" if "id" in fields else None
        if not isinstance(kind, str):
            value.fail("type", "one of " + ", ".join(_READERS))
        if kind in _READERS:
            return (_READERS[kind](fields),)
        if kind == "item_reference" and (known := self._known(fields)) is not None:
            return known
        message = responses_client.read(kind, fields) or responses_notes.note(kind, fields)
        if kind in responses_notes.BRINGERS:
            self.tools += value.as_list(fields.pop("tools", None), "tools")
        return (message,)

    def _known(self, fields: _Fields) -> tuple[ChatMessage, ...] | None:
        name = value.as_text(fields.get("id"), "id")
        return None if self._memory is None else self._memory.recall(name)


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
    text = documents.text_of_url(fields.get("file_data")) if kind == "input_file" else None
    note = _note(kind, fields)
    return note if text is None else Text(documents.headed(note.text, text))


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
    return _assistant(ToolUse(_call_id(fields), _name(fields), free_text.given(_text(fields, "input"))))


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
