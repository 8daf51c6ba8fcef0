"""OpenAI chat completions: a streamed answer made one, as if it had not been streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from greenroom.interception.dialects.chat_calls import Calls, of_message

_Fields = dict[str, Any]

_TEXTS = frozenset({"content", "refusal", "reasoning", "reasoning_content", "reasoning_text", "thinking", "thought"})
"""Fields of a delta whose texts follow one another."""
_LISTS = ("token_ids", "logprobs")
"""Fields of a choice whose pieces follow one another."""
_CALLS = ("tool_calls", "function_call")


def chosen(choices: Sequence[object]) -> object:
    """The choice of index 0, wherever it is, or the first; ``None`` if there is none."""
    for choice in choices:
        if isinstance(choice, dict) and cast("_Fields", choice).get("index") in (0, None):
            return cast("object", choice)
    return choices[0] if choices else None


def merged(pieces: Sequence[_Fields]) -> _Fields:
    """The one completion that ``pieces`` add up to. Never raises: what is no text stays as it is."""
    whole: _Fields = {}
    choice: _Fields = {}
    message = _Message()
    for piece in pieces:
        whole.update({name: value for name, value in piece.items() if name != "choices" and value is not None})
        choices = piece.get("choices")
        one = chosen(cast("list[object]", choices)) if isinstance(choices, list) else None
        if isinstance(one, dict):
            _add_choice(choice, message, cast("_Fields", one))
    usage = choice.pop("usage", None)
    if usage is not None:
        whole.setdefault("usage", usage)
    return {**whole, "choices": [{**choice, "message": message.whole()}]} if choice or message.begun else whole


def _add_choice(choice: _Fields, message: _Message, one: _Fields) -> None:
    for name, value in one.items():
        if name in ("delta", "message") or value is None:
            continue
        choice[name] = _longer(choice.get(name), value) if name in _LISTS else value
    said = one.get("delta")
    if said and isinstance(said, dict):
        message.add(cast("_Fields", said))
    elif not message.begun and isinstance(one.get("message"), dict):
        message.add(cast("_Fields", one["message"]), whole=True)


def _longer(before: object, now: object) -> object:
    """Lists one after the other, within an object too; ``before`` grows, so that many pieces take linear time."""
    if isinstance(before, list) and isinstance(now, list):
        cast("list[object]", before).extend(cast("list[object]", now))
        return cast("object", before)
    if isinstance(before, dict) and isinstance(now, dict):
        known, more = cast("_Fields", before), cast("_Fields", now)
        known.update({name: _longer(known.get(name), value) for name, value in more.items()})
        return known
    return now


class _Message:
    """A message, as far as it was said."""

    def __init__(self) -> None:
        self.begun = False
        self._texts: dict[str, list[object]] = {}
        self._calls = Calls()
        self._has_calls = False
        self._more: _Fields = {}

    def add(self, delta: _Fields, *, whole: bool = False) -> None:
        self.begun = self.begun or any(value for name, value in delta.items() if name != "role")
        for name, value in delta.items():
            if value is None or name in _CALLS:
                continue
            if name in _TEXTS:
                self._texts.setdefault(name, []).append(value)
            else:
                self._more[name] = _longer(self._more.get(name), cast("object", value))
        for call in of_message(delta):
            if isinstance(call, dict):
                self._has_calls = True
                self._calls.add(cast("_Fields", call), whole=whole)

    def whole(self) -> _Fields:
        texts = {name: _text(said) for name, said in self._texts.items()}
        calls = {"tool_calls": self._calls.all()} if self._has_calls else {}
        return {**self._more, **texts, **calls}


def _text(said: list[object]) -> object:
    """Texts joined; a list of parts if there is more to it."""
    texts = [one for one in said if isinstance(one, str)]
    if len(texts) == len(said):
        return "".join(texts)
    return [part for one in said for part in (cast("list[object]", one) if isinstance(one, list) else [one])]
