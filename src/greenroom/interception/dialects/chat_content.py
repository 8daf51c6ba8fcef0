"""OpenAI chat completions: the content of messages, both ways.

A part of a kind that has no neutral word, a video say, is a note that it is there to whoever reads the call; an
upstream of this dialect gets the content as the agent wrote it.
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects import value
from greenroom.messages import Image, Text

_Fields = dict[str, Any]

_IMAGE = frozenset({"url", "detail"})


def read(message: _Fields) -> tuple[Text | Image, ...]:
    """Take the content out of ``message``, but for what neutral words do not say. Raises `DialectError`."""
    content = message.pop("content", None)
    if isinstance(content, str):
        return (Text(content),)
    parts = tuple(value.each(content, "content", _part)[0])
    if parts and not all(map(_is_plain, cast("list[_Fields]", content))):
        message["content"] = content
    return parts


def written(parts: tuple[Text | Image, ...]) -> str | list[_Fields]:
    """Parts as the content of a message."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_written(part) for part in parts]


def _is_plain(part: _Fields) -> bool:
    """Whether neutral words say all of a part that could be read."""
    if len(part) != 2:  # noqa: PLR2004 - its type, and what it is
        return False
    return part["type"] == "text" or (part["type"] == "image_url" and _IMAGE.issuperset(part["image_url"]))


def _part(part: _Fields) -> Text | Image:
    kind = value.as_text(part.get("type"), "type")
    if kind == "image_url":
        return _image(part.get("image_url"))
    if kind in ("text", "refusal"):
        return Text(value.as_text(part.get(kind), kind))
    return Text(f"[{kind}]")


def _image(image: object) -> Image:
    if isinstance(image, str):
        return Image(image)
    fields = value.as_object(image, "image_url")
    url = value.as_text(fields.get("url"), "image_url.url")
    return Image(url, value.optional_text(fields.get("detail"), "image_url.detail"))


def _written(part: Text | Image) -> _Fields:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    detail = {} if part.detail is None else {"detail": part.detail}
    return {"type": "image_url", "image_url": {"url": part.url, **detail}}
