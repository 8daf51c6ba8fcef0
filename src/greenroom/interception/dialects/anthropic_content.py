"""Anthropic Messages: content blocks of a request, in neutral words.

A block of a kind that has no neutral word, a document say, stays whole in what is left of its message. The model reads
its text if it has one, under a note of what it is called, and otherwise a note that it was there: left out, the model
would answer another conversation than the agent has. Kinds that are new to us do not end an agent either.

The kinds of blocks are those of https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from greenroom.interception.dialects import arguments, documents, value
from greenroom.messages import Image, Part, Role, Text, Thinking, ToolResult, ToolUse

_Fields = dict[str, Any]

UNSIGNED = "unsigned"
"""The signature of thinking that has none. Agents turn thinking without one into plain text when they send it back."""
_NAMES = ("title", "tool_name", "name")
"""What a block may be called by."""


def read(content: object, role: Role) -> tuple[tuple[Part, ...], dict[str, _Fields]]:
    """The parts of a message, and what is left of each block by its position. Raises `DialectError`."""
    if isinstance(content, str):
        return (Text(content),), {}
    parts, left = value.each(content, "content", partial(_block, role))
    return tuple(parts), left


def _block(role: Role, fields: _Fields) -> Part:
    kind = value.as_text(fields.get("type"), "type")
    reader = _READERS.get(kind)
    if reader is None:
        return _note(kind, fields)
    if _ROLES.get(kind, role) != role:
        value.fail("type", f"{kind} in messages of the role {_ROLES[kind]} alone")
    del fields["type"]
    return reader(fields)


def _text(fields: _Fields) -> Text:
    return Text(_said(fields, "text"))


def _image(fields: _Fields) -> Text | Image:
    source = value.as_object(fields.get("source"), "source")
    kind = source.get("type")
    if kind == "base64":
        media_type = value.as_text(source.get("media_type"), "source.media_type")
        url = f"data:{media_type};base64,{value.as_text(source.get('data'), 'source.data')}"
    elif kind == "url":
        url = value.as_text(source.get("url"), "source.url")
    else:
        # A file of the provider's, which nobody else can read.
        return _note("image", fields)
    del fields["source"]
    return Image(url)


def _thinking(fields: _Fields) -> Thinking:
    signature = value.optional_text(fields.pop("signature", None), "signature")
    return Thinking(_said(fields, "thinking"), None if signature in ("", UNSIGNED) else signature)


def _redacted(fields: _Fields) -> Thinking:
    return Thinking("", _said(fields, "data"), redacted=True)


def _tool_use(fields: _Fields) -> ToolUse:
    given = value.as_object(fields.pop("input", None), "input")
    return ToolUse(_said(fields, "id"), _said(fields, "name"), arguments.written(given))


def _tool_result(fields: _Fields) -> ToolResult:
    content = fields.pop("content", None)
    parts: list[Text | Image] = [Text(content)] if isinstance(content, str) else []
    if not parts:
        parts, left = value.each(content, "content", _result_block)
        if left:
            fields["content"] = left
    is_error = value.as_flag(fields.pop("is_error", None), "is_error")
    return ToolResult(_said(fields, "tool_use_id"), tuple(parts), is_error)


def _result_block(fields: _Fields) -> Text | Image:
    kind = value.as_text(fields.get("type"), "type")
    if kind not in ("text", "image"):
        return _note(kind, fields)
    del fields["type"]
    return _text(fields) if kind == "text" else _image(fields)


def _note(kind: str, fields: _Fields) -> Text:
    """What a model without eyes for such a block reads in its place."""
    names = [name for field in _NAMES if isinstance(name := fields.get(field), str)]
    note = f"[{kind}: {names[0]}]" if names else f"[{kind}]"
    words = _words(kind, fields)
    if words is None:
        return Text(note)
    # A document without a name is nothing but its words.
    return Text(words if kind == "document" and not names else documents.headed(note, words))


def _words(kind: str, fields: _Fields) -> str | None:
    """What a block says in plain text, ``None`` if it says nothing."""
    if kind == "search_result":
        return "\n".join([value.as_text(fields.get("source"), "source"), *_texts(fields.get("content"), "content")])
    if kind == "compaction":
        return value.optional_text(fields.get("content"), "content")
    given = fields.get("source")
    source = cast("_Fields", given) if isinstance(given, dict) else {}
    match source.get("type"):
        case "text":
            return value.as_text(source.get("data"), "source.data")
        case "content":
            return "\n".join(_texts(source.get("content"), "source.content"))
        case "base64" if isinstance(data := source.get("data"), str):
            return documents.text_of(str(source.get("media_type")), data)
        case _:
            return None


def _texts(content: object, where: str) -> list[str]:
    """The texts of blocks that stay whole; of others, an image say, a note."""
    if isinstance(content, str):
        return [content]
    blocks = [value.as_object(block, f"{where}[{at}]") for at, block in enumerate(value.as_list(content, where))]
    return [text if isinstance(text := block.get("text"), str) else f"[{block.get('type')}]" for block in blocks]


def _said(fields: _Fields, name: str) -> str:
    return value.as_text(fields.pop(name, None), name)


_READERS: dict[str, Callable[[_Fields], Part]] = {
    "text": _text,
    "image": _image,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
_ROLES: dict[str, Role] = {
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_use": "assistant",
    "tool_result": "user",
}
