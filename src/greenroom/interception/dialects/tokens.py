"""Counting the tokens of a request, which agents ask for to see how full their context is.

An estimate: whose model it is, and so its tokenizer, is not known here. One token for every four bytes of text, which
suits English and code and is too many for most other scripts; `IMAGE_TOKENS` for an image, whatever its size; nothing
for what the provider keeps. Agents compact their context a little below its size, so being too high is the safe side.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from greenroom.messages import Image, ModelCall, Part, Text, Thinking, ToolResult, ToolUse

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 1600
"""About what the API counts for the largest image it does not scale down."""
_MESSAGE_TOKENS = 4
"""For the marks between messages."""


def estimate(call: ModelCall) -> int:
    """How many tokens the request has, about."""
    parts = [part for message in call.messages for part in _flat(message.parts)]
    size = sum(len(text.encode()) for part in parts for text in _texts(part))
    size += sum(len(msgspec.json.encode(tool)) for tool in call.tools)
    images = sum(isinstance(part, Image) for part in parts)
    return -(-size // BYTES_PER_TOKEN) + images * IMAGE_TOKENS + len(call.messages) * _MESSAGE_TOKENS


def _flat(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield from part.parts if isinstance(part, ToolResult) else (part,)


def _texts(part: Part) -> tuple[str, ...]:
    match part:
        case Text() | Thinking():
            return (part.text,)
        case ToolUse():
            return part.name, part.arguments
        case _:
            return ()
