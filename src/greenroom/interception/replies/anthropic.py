"""Messages: one object, or events that open blocks and add to them."""

from __future__ import annotations

import msgspec

from greenroom.interception.finish import ended, ending
from greenroom.interception.replies.fields import Fields, inner, items, last, number, text
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage


def read(pieces: list[Fields]) -> Completion:
    """The message."""
    message = last(pieces, "message")
    if not message and pieces and pieces[0].get("type") == "message":
        message = pieces[0]
    blocks = [dict(block) for block in items(message, "content")]
    usage, reason = dict(inner(message, "usage")), text(message, "stop_reason")
    for piece in pieces:
        match piece.get("type"):
            case "content_block_start":
                blocks.append(dict(inner(piece, "content_block")))
            case "content_block_delta" if blocks:
                _add(blocks[min(number(piece, "index"), len(blocks) - 1)], inner(piece, "delta"))
            case "message_delta":
                usage.update(inner(piece, "usage"))
                reason = text(inner(piece, "delta"), "stop_reason") or reason
            case _:
                pass
    parts = tuple(part for block in blocks if (part := _part(block)) is not None)
    return ended(Completion(parts=parts, usage=_usage(usage)), ending(reason))


def _add(block: Fields, delta: Fields) -> None:
    for name in ("text", "thinking", "signature"):
        if name in delta:
            block[name] = text(block, name) + text(delta, name)
    if "partial_json" in delta:
        block["arguments"] = text(block, "arguments") + text(delta, "partial_json")


def _part(block: Fields) -> Text | Thinking | ToolUse | None:
    match block.get("type"):
        case "text":
            return Text(text(block, "text"))
        case "thinking":
            return Thinking(text(block, "thinking"), text(block, "signature") or None)
        case "redacted_thinking":
            return Thinking("", text(block, "data") or None, redacted=True)
        case "tool_use":
            arguments = text(block, "arguments") or msgspec.json.encode(inner(block, "input")).decode()
            return ToolUse(text(block, "id"), text(block, "name"), arguments)
        case _:
            return None


def _usage(usage: Fields) -> Usage:
    """Counts as elsewhere: what was read from a cache, or written to it, is part of the prompt."""
    cached = number(usage, "cache_read_input_tokens")
    prompt = number(usage, "input_tokens") + cached + number(usage, "cache_creation_input_tokens")
    return Usage(prompt, number(usage, "output_tokens"), cached)
