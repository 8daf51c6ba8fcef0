"""OpenAI chat completions: the tool calls of a streamed answer, put together.

By the protocol each piece names the ``index`` of its call, and the first one its id and name. Servers leave the index
out, give the same to all calls, count it up within one call, and repeat id and name in every piece. What is meant is
told by all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec

_Fields = dict[str, Any]

_LOOKS = 512
"""How often it is looked whether arguments are whole already: it takes time in proportion to their length."""


class Calls:
    """Takes the pieces in their order."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._current: _Call | None = None
        self._looks = _LOOKS

    def add(self, piece: _Fields, *, whole: bool = False) -> None:
        """One entry of a ``tool_calls``, or a ``function_call``; ``whole`` if it is no piece but the call."""
        function = piece.get("function")
        said = cast("_Fields", function) if isinstance(function, dict) else piece
        index, name = piece.get("index"), said.get("name")
        index = index if isinstance(index, int) and not isinstance(index, bool) else None
        call = None if whole else self._find(index, piece.get("id"), name, said.get("arguments"))
        if call is None:
            call = _Call(len(self._calls) if index is None else index)
            self._calls.append(call)
        self._current = call
        call.add(piece, name, said.get("arguments"))

    def all(self) -> list[_Fields]:
        """The calls as those of an answer in one piece, by their index."""
        return [call.whole() for call in sorted(self._calls, key=lambda call: call.index)]

    def _find(self, index: int | None, id: object, name: object, arguments: object) -> _Call | None:
        """The call that a piece goes on with; ``None`` if it begins another."""
        if index is not None:
            found = next((call for call in reversed(self._calls) if call.index == index), None)
            if found is None and not id and not name:
                found = self._current
        elif id:
            found = next((call for call in self._calls if call.id == id), None) or self._current
        else:
            found = self._current
        return None if found is None or self._begins(found, id, name, arguments) else found

    def _begins(self, call: _Call, id: object, name: object, arguments: object) -> bool:
        """Whether a piece that could be of ``call`` begins another instead."""
        if id and id == call.id:
            return False
        if id and call.id and not name:
            return bool(arguments) and self._is_whole(call)
        if name and (call.arguments or (id and call.id)):
            return name != call.name or not call.arguments or (bool(arguments) and self._is_whole(call))
        return False

    def _is_whole(self, call: _Call) -> bool:
        text = "".join(call.arguments).strip()
        if not text.endswith("}") or self._looks == 0:
            return False
        self._looks -= 1
        try:
            msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return False
        return True


class _Call:
    """One call, as far as it was said."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: object = None
        self.name: object = None
        self.arguments: list[str] = []
        self._object: object = None
        self._more: _Fields = {}

    def add(self, piece: _Fields, name: object, arguments: object) -> None:
        self.id = self.id or piece.get("id")
        self.name = _joined(self.name, name)
        if isinstance(arguments, str):
            self.arguments += [arguments] if arguments else []
        elif arguments is not None:
            self._object = arguments
        more = {field: value for field, value in piece.items() if field not in ("index", "id", "function")}
        self._more.update({field: value for field, value in more.items() if value is not None})

    def whole(self) -> _Fields:
        arguments = "".join(self.arguments) if self._object is None else self._object
        kept = {field: value for field, value in self._more.items() if field not in ("name", "arguments")}
        return {**kept, "id": self.id, "function": {"name": self.name, "arguments": arguments}}


def _joined(before: object, now: object) -> object:
    """A name that comes in pieces, or again and again."""
    if not isinstance(before, str) or not isinstance(now, str):
        return before or now
    return now if now.startswith(before) else before if before.endswith(now) else before + now


def of_message(message: _Fields) -> Iterator[object]:
    """The calls in a message or a delta, wherever they are."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        yield from cast("list[object]", calls)
    elif calls is not None:
        yield calls
    if not calls and message.get("function_call"):
        yield {"function": message["function_call"]}
