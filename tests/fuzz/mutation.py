"""Changing a little of what is good: JSON, alone or in a stream of events."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any, cast

ODD = ["", "\ud83d", "\x00", "$(reboot)", "x" * 300, "🎭", "data:image/png;base64,AAAA", "__proto__", "-1"]
"""Texts of which one never knows."""
_LEAVES: list[object] = [None, True, False, 0, 1, -1, 2**31, 2**63, -(2**70), 1e308, 0.5, [], {}]
_JSON = re.compile(rb"(?:^|data: )(\{.*\})$", re.MULTILINE)


def mutated(data: bytes, random: Random, words: Sequence[str]) -> bytes:
    """One to five changes in some JSON of ``data``, and now and then a byte of the whole as well."""
    found = [match.span(1) for match in _JSON.finditer(data)]
    if found:
        start, end = random.choice(found)
        data = data[:start] + _changed(data[start:end], random, words) + data[end:]
    if random.random() < 0.2:
        cut = random.randrange(len(data) + 1)
        data = data[:cut] + random.randbytes(random.randrange(3)) + data[cut + 1 :]
    return data


def _changed(text: bytes, random: Random, words: Sequence[str]) -> bytes:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(random.randint(1, 5)):
        _change(body, random, words)
    return json.dumps(body).encode()


def _change(body: object, random: Random, words: Sequence[str]) -> None:
    places = _places(body)
    if not places:
        return
    container, key = random.choice(places)
    match random.choice(["replace", "add", "add", "remove", "copy"]):
        case "replace":
            container[key] = _value(random, words)
        case "remove":
            del container[key]
        case "copy":
            other, place = random.choice(places)
            container[key] = json.loads(json.dumps(other[place]))
        case _ if isinstance(container, dict):
            container[random.choice(words)] = _value(random, words)
        case _:
            container.append(_value(random, words))


def _value(random: Random, words: Sequence[str], depth: int = 3) -> object:
    kind = random.random()
    if depth and kind < 0.15:
        return [_value(random, words, depth - 1) for _ in range(random.randrange(4))]
    if depth and kind < 0.35:
        return {random.choice(words): _value(random, words, depth - 1) for _ in range(random.randrange(5))}
    return random.choice(words) if kind < 0.7 else random.choice([*ODD, *_LEAVES])


def _places(value: object) -> list[tuple[Any, Any]]:
    """Every place in it that can be changed: a container and a key or index."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        inner: list[tuple[Any, Any]] = [(fields, name) for name in fields]
    elif isinstance(value, list):
        items = cast("list[object]", value)
        inner = [(items, at) for at in range(len(items))]
    else:
        return []
    return inner + [place for container, key in inner for place in _places(container[key])]
