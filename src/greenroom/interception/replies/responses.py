"""Responses: one object, which the last event of a stream repeats whole."""

from __future__ import annotations

from collections.abc import Iterator

from greenroom.interception.finish import ended, ending
from greenroom.interception.replies.fields import Fields, inner, items, last, number, text
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage


def read(pieces: list[Fields]) -> Completion:
    """The output of the last response that is told of."""
    response = last(pieces, "response") or last([{"": piece} for piece in pieces if "output" in piece], "")
    parts = tuple(part for item in items(response, "output") for part in _parts(item))
    usage = inner(response, "usage")
    done = Completion(
        parts=parts,
        usage=Usage(
            number(usage, "input_tokens"),
            number(usage, "output_tokens"),
            number(inner(usage, "input_tokens_details"), "cached_tokens"),
        ),
    )
    return ended(done, ending(text(inner(response, "incomplete_details"), "reason") or text(response, "status")))


def _parts(item: Fields) -> Iterator[Text | Thinking | ToolUse]:
    match item.get("type"):
        case "message":
            for content in items(item, "content"):
                if said := text(content, "text") or text(content, "refusal"):
                    yield Text(said)
        case "reasoning":
            texts = (*items(item, "summary"), *items(item, "content"))
            yield Thinking("\n".join(text(one, "text") for one in texts))
        case "function_call":
            yield ToolUse(text(item, "call_id"), text(item, "name"), text(item, "arguments"))
        case "custom_tool_call":
            yield ToolUse(text(item, "call_id"), text(item, "name"), text(item, "input"))
        case _:
            return
