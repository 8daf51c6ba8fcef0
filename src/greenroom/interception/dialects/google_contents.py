"""Google: the contents of a request, as messages.

A call of a function need not have an id; it gets one that depends on its place alone, so it is the same in every
request that repeats the conversation. The answer to it is found by its id or, without one, by its name. Each answer
becomes a message of the role ``tool``, as in every other dialect.
"""

from __future__ import annotations

from typing import Any

from greenroom.interception.dialects import arguments, value
from greenroom.interception.dialects.google_names import renamed
from greenroom.interception.dialects.google_parts import image, other, said, text
from greenroom.interception.dialects.google_thoughts import brought
from greenroom.interception.dialects.turns import apart, joined
from greenroom.messages import ChatMessage, Image, Part, Role, Text, Thinking, ToolResult, ToolUse

_Fields = dict[str, Any]

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user"}
_NOTHING = Text("")


def read(contents: object) -> tuple[tuple[ChatMessage, ...], dict[str, _Fields]]:
    """The conversation, and what is left of each content by its position. Raises `DialectError`."""
    found, left = value.each(value.one_or_more(contents), "contents", _Reader().content)
    turns = joined(message for messages in found for message in messages)
    return tuple(_solid(turn) if turn.role == "assistant" else turn for turn in turns), left


def instruction(content: object) -> tuple[ChatMessage, ...]:
    """The system instruction. Raises `DialectError`."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (ChatMessage("system", (Text(content),)),)
    fields = renamed(value.as_object(content, "systemInstruction"))
    parts = value.each(value.one_or_more(fields.get("parts")), "systemInstruction.parts", _instruction)[0]
    return (ChatMessage("system", tuple(parts)),) if parts else ()


def _instruction(part: _Fields) -> Text:
    return Text(value.as_text(part.get("text"), "text"))


class _Reader:
    """Reads contents one after another, and remembers the calls that are not answered yet."""

    def __init__(self) -> None:
        self._turn = -1
        self._in_turn = 0
        self._last: Role | None = None
        self._open: list[tuple[str, str, bool]] = []
        self._thought = False
        self._brought: list[Thinking] = []

    def content(self, fields: _Fields) -> tuple[ChatMessage, ...]:
        role = _ROLES.get(value.optional_text(fields.pop("role", None), "role") or "user")
        if role is None:
            value.fail("role", "one of " + ", ".join(_ROLES))
        if role == "assistant" != self._last:
            self._turn, self._in_turn, self._thought = self._turn + 1, 0, False
        self._last = role
        parts, left = value.each(value.one_or_more(fields.pop("parts", None)), "parts", self._part)
        if left:
            fields["parts"] = left
        return tuple(apart(tuple(parts))) if role == "user" else (ChatMessage(role, self._with_thoughts(parts)),)

    def _with_thoughts(self, parts: list[Part]) -> tuple[Part, ...]:
        """The parts, with the reasoning their calls brought unless the agent sends it back by itself."""
        self._thought = self._thought or any(isinstance(part, Thinking) for part in parts)
        found, self._brought = self._brought, []
        return tuple(parts if self._thought else [*found, *parts])

    def _part(self, fields: _Fields) -> Part:
        renamed(fields)
        if fields.get("text") is not None:
            return text(fields)
        if (call := fields.pop("functionCall", None)) is not None:
            if (thinking := brought(fields)) is not None:
                self._brought.append(thinking)
            return self._call(renamed(value.as_object(call, "functionCall")))
        if (response := fields.pop("functionResponse", None)) is not None:
            return self._response(renamed(value.as_object(response, "functionResponse")))
        return image(fields) or other(fields)

    def _call(self, fields: _Fields) -> ToolUse:
        given = value.optional_text(fields.get("id"), "functionCall.id")
        name = value.as_text(fields.get("name"), "functionCall.name")
        args = value.optional_object(fields.get("args"), "functionCall.args")
        id = given or f"call_{self._turn}_{self._in_turn}"
        self._in_turn += 1
        self._open.append((name, id, bool(given)))
        return ToolUse(id, name, arguments.written(args))

    def _response(self, fields: _Fields) -> ToolResult:
        given = value.optional_text(fields.get("id"), "functionResponse.id")
        name = value.as_text(fields.get("name"), "functionResponse.name")
        response = value.optional_object(fields.get("response"), "functionResponse.response")
        attached = value.each(value.one_or_more(fields.get("parts")), "functionResponse.parts", _attached)[0]
        output, is_error = said(response)
        return ToolResult(self._answered(name, given), (Text(output), *attached), is_error)

    def _answered(self, name: str, given: str | None) -> str:
        for at, (asked, id, has_id) in enumerate(self._open):
            if id == given or (asked == name and not (given and has_id)):
                del self._open[at]
                return id
        return given or f"call_{name}"


def _attached(fields: _Fields) -> Text | Image:
    renamed(fields)
    return image(fields) or other(fields)


def _solid(turn: ChatMessage) -> ChatMessage:
    """Text and reasoning that were streamed in pieces, and kept so by the agent, in one piece each."""
    parts: list[Part] = []
    for part in turn.parts:
        last = parts[-1] if parts else None
        if isinstance(part, Text) and isinstance(last, Text):
            parts[-1] = Text(last.text + part.text)
        elif isinstance(part, Thinking) and isinstance(last, Thinking) and last.signature is None:
            parts[-1] = Thinking(last.text + part.text, part.signature)
        elif part != _NOTHING:
            parts.append(part)
    return ChatMessage(turn.role, tuple(parts) or turn.parts[:1])
