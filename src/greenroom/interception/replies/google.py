"""generateContent: one object, or several of the same kind whose parts follow one another."""

from __future__ import annotations

import msgspec

from greenroom.interception.finish import ended, ending
from greenroom.interception.replies.fields import Fields, inner, items, last, number, text
from greenroom.messages import Completion, Text, Thinking, ToolUse, Usage


def read(pieces: list[Fields]) -> Completion:
    """The first candidate."""
    candidates = [candidate for piece in pieces for candidate in items(piece, "candidates")[:1]]
    raw = [part for candidate in candidates for part in items(inner(candidate, "content"), "parts")]
    parts = tuple(_joined([found for part in raw if (found := _part(part)) is not None]))
    reasons = [reason for candidate in candidates if (reason := text(candidate, "finishReason"))]
    usage = last(pieces, "usageMetadata")
    blocked = [reason for piece in pieces if (reason := text(inner(piece, "promptFeedback"), "blockReason"))]
    done = Completion(
        parts=parts,
        usage=Usage(
            number(usage, "promptTokenCount"),
            number(usage, "candidatesTokenCount") + number(usage, "thoughtsTokenCount"),
            number(usage, "cachedContentTokenCount"),
        ),
    )
    return ended(done, ending((reasons or blocked or [""])[-1]))


def _part(part: Fields) -> Text | Thinking | ToolUse | None:
    if call := inner(part, "functionCall"):
        return ToolUse(text(call, "id"), text(call, "name"), msgspec.json.encode(inner(call, "args")).decode())
    if not text(part, "text"):
        return None
    if part.get("thought") is True:
        return Thinking(text(part, "text"), text(part, "thoughtSignature") or None)
    return Text(text(part, "text"))


def _joined(parts: list[Text | Thinking | ToolUse]) -> list[Text | Thinking | ToolUse]:
    """Pieces of one text, or of one thought, in one part."""
    done: list[Text | Thinking | ToolUse] = []
    for part in parts:
        match done[-1] if done else None, part:
            case Text(before), Text(after):
                done[-1] = Text(before + after)
            case Thinking(before, old), Thinking(after, new):
                done[-1] = Thinking(before + after, new or old)
            case _:
                done.append(part)
    return done
