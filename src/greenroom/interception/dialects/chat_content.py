"""OpenAI chat completions: the content of messages, both ways.

A file that holds plain text is text. A part of another kind that has no neutral word, a video say, is a note that it
is there to whoever reads the call; an upstream of this dialect gets it as the agent wrote it.
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects import documents, value
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
        message["content"] = [_readable(part) for part in cast("list[_Fields]", content)]
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
    return Text(_file(part) or "\n".join([f"[{kind}]", *_texts(part.get(kind))]))


def _texts(content: object) -> list[str]:
    """Texts within a part of another kind, as Mistral has its thoughts."""
    if isinstance(content, str):
        return [content]
    items = cast("list[object]", content) if isinstance(content, list) else []
    found = [cast("_Fields", item).get("text") for item in items if isinstance(item, dict)]
    return [text for text in found if isinstance(text, str)]


def _file(part: _Fields) -> str | None:
    """What a file says, under its name; its name alone when it is no text."""
    file = part.get("file") if part["type"] == "file" else None
    if not isinstance(file, dict):
        return None
    fields = cast("_Fields", file)
    name = fields.get("filename")
    note = f"[file: {name}]" if isinstance(name, str) else "[file]"
    text = documents.text_of_url(fields.get("file_data"))
    return note if text is None else documents.headed(note, text)


def _readable(part: _Fields) -> _Fields:
    """The part, as text if it is a file that holds text: hardly a server takes files."""
    file = part.get("file") if part.get("type") == "file" else None
    if isinstance(file, dict) and documents.text_of_url(cast("_Fields", file).get("file_data")) is not None:
        return {"type": "text", "text": _file(part)}
    return part


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
