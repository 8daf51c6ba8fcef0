"""What one attempt's agent and its model have said, under the names by which the agent may refer to it later."""

from __future__ import annotations

from greenroom.messages import ChatMessage, Image, Text, Thinking, ToolResult, ToolUse

Messages = tuple[ChatMessage, ...]

_NAME_SIZE = 256
"""Characters that count for a name under which little was said."""


class Memory:
    """Messages by name. The oldest names are forgotten first.

    Args:
        limit: Most characters of text that are held. What takes more by itself is not kept at all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: dict[str, tuple[Messages, int]] = {}
        self._last: Messages = ()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, name: str, messages: Messages) -> None:
        """Remember what was said under ``name``, instead of what was said under it before."""
        self._forget(name)
        messages = self._last = _sharing(self._last, messages)
        size = _NAME_SIZE + sum(_size(part) for message in messages for part in message.parts)
        if size > self._limit:
            return
        self._kept[name] = messages, size
        self._size += size
        while self._size > self._limit:
            self._forget(next(iter(self._kept)))

    def recall(self, name: str) -> Messages | None:
        """What was said under ``name``; ``None`` if that was never said here, or is forgotten."""
        found = self._kept.get(name)
        return None if found is None else found[0]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._size, self._last = 0, ()

    def _forget(self, name: str) -> None:
        _, size = self._kept.pop(name, ((), 0))
        self._size -= size


def _sharing(last: Messages, messages: Messages) -> Messages:
    """The same messages; those that ``last`` begins with as well are held once. Most conversations go on."""
    common = 0
    for old, new in zip(last, messages, strict=False):
        if old != new:
            break
        common += 1
    return last[:common] + messages[common:]


def _size(part: object) -> int:
    match part:
        case Text() | Thinking():
            return len(part.text)
        case Image():
            return len(part.url)
        case ToolUse():
            return len(part.name) + len(part.arguments)
        case ToolResult():
            return sum(_size(inner) for inner in part.parts)
        case _:
            return 0
