"""OpenAI chat completions: what an answer says in words, reasoning and text, in any of the shapes servers give it.

The content is a text, or a list of parts as Mistral's reasoning models have it; the reasoning is in a field of its own
under one of many names, in a list of details, or among the parts of the content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from greenroom.interception.errors import ShapeError
from greenroom.messages import Text, Thinking

_Fields = dict[str, Any]
Said = Text | Thinking

_REASONING = (
    *("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought", "thoughts"),
    *("reasoning_details", "thinking_blocks"),
)
"""Where reasoning may be; the first that says something counts, as servers give one text under several names."""
_OF_REASONING = ("thinking", "text", "content", "summary", "reasoning")
_THINKING = ("thinking", "reasoning", "redacted_thinking")
_SILENT = ("reference", "citation", "annotation")
"""Kinds of parts that say nothing themselves."""


def said(message: _Fields, where: str) -> tuple[Said, ...]:
    """Reasoning and text of a message, neighbours of one kind joined.

    Raises:
        ShapeError: The content is of no type that says anything.
    """
    content = [*_content(message.get("content"), f"{where}.content")]
    if not content and isinstance(message.get("refusal"), str):
        content = [Text(message["refusal"])]
    apart = next((text for name in _REASONING if (text := _reasoning(message.get(name)))), "")
    among = "".join(part.text for part in content if isinstance(part, Thinking))
    first = [Thinking(apart)] if apart and apart != among else []
    return tuple(part for part in _joined([*first, *content]) if part.text)


def _content(content: object, where: str) -> Iterator[Said]:
    if content is None:
        return
    if isinstance(content, str):
        yield Text(content)
    elif isinstance(content, dict):
        yield from _part(cast("_Fields", content), where)
    elif isinstance(content, list):
        for at, part in enumerate(cast("list[object]", content)):
            place = f"{where}[{at}]"
            yield from (
                _part(cast("_Fields", part), place) if isinstance(part, dict) else _content(_word(part, place), place)
            )
    else:
        raise ShapeError(where, "text, or a list of parts", content)


def _word(part: object, where: str) -> str | None:
    if part is not None and not isinstance(part, str):
        raise ShapeError(where, "a part", part)
    return part


def _part(part: _Fields, where: str) -> Iterator[Said]:
    kind = part.get("type")
    if kind in _THINKING or (kind is None and "thinking" in part):
        yield Thinking(_reasoning(part))
        return
    text = part.get("refusal") if kind == "refusal" else part.get("text", part.get("content"))
    if isinstance(text, dict):
        text = cast("_Fields", text).get("value")
    if isinstance(text, str):
        yield Text(text)
    elif kind not in _SILENT:
        raise ShapeError(where, "a part with text", part)


def _reasoning(thought: object) -> str:
    if isinstance(thought, str):
        return thought
    if isinstance(thought, list):
        return "".join(_reasoning(one) for one in cast("list[object]", thought))
    if isinstance(thought, dict):
        fields = cast("_Fields", thought)
        return next((text for name in _OF_REASONING if (text := _reasoning(fields.get(name)))), "")
    return ""


def _joined(parts: list[Said]) -> list[Said]:
    done: list[Said] = []
    for part in parts:
        if done and type(done[-1]) is type(part):
            done[-1] = type(part)(done[-1].text + part.text)
        else:
            done.append(part)
    return done
