"""Google: single parts of a content, in neutral words.

A document of plain text is text. A part of another kind that has no neutral word, a video say, is a note that it was
there: left out, the model would answer another conversation than the agent has. Both stay whole in what is left of
their content.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from greenroom.interception.dialects import documents, value
from greenroom.interception.dialects.google_names import decoded, renamed, standard
from greenroom.messages import Image, Text, Thinking

_Fields = dict[str, Any]

_OUTPUTS = ("output", "result")
_BESIDE = ("thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution")
"""Fields that say something about a part, and are none."""
_SAID = {"executableCode": "code", "codeExecutionResult": "output"}
"""Parts whose note says what was said there, and where it is in them."""
_MEDIA = (("inlineData", "data"), ("fileData", "fileUri"))


def text(fields: _Fields) -> Text | Thinking:
    """Text, or a thought."""
    said = value.as_text(fields.pop("text"), "text")
    if not value.as_flag(fields.pop("thought", None), "thought"):
        return Text(said)
    signature = value.optional_text(fields.pop("thoughtSignature", None), "thoughtSignature")
    return Thinking(said, None if signature is None else decoded(signature))


def image(fields: _Fields) -> Image | None:
    """An image, within the request or elsewhere; ``None`` when the part is something else."""
    for name, place in _MEDIA:
        if fields.get(name) is not None:
            media = renamed(value.as_object(fields[name], name))
            kind = value.optional_text(media.get("mimeType"), f"{name}.mimeType") or "image/*"
            if not kind.startswith("image/"):
                return None
            del fields[name]
            where = value.as_text(media.get(place), f"{name}.{place}")
            return Image(where if name == "fileData" else f"data:{kind};base64,{standard(where)}")
    return None


def other(fields: _Fields) -> Text:
    """What a model without a sense for such a part reads in its place."""
    kind = next((name for name in fields if name not in _BESIDE), None)
    if kind is not None:
        return Text(_noted(kind, fields[kind]))
    # A signature may come on its own; then there is nothing else to say.
    if "thoughtSignature" in fields:
        return Text("")
    beside = next(iter(fields), None)
    return value.fail("text", "it, or another kind of part") if beside is None else Text(f"[{beside}]")


def _noted(kind: str, inner: object) -> str:
    """The text of a document that holds text, under its name if it has one; a note that a part is there otherwise."""
    media = cast("_Fields", inner) if isinstance(inner, dict) else {}
    if isinstance(code := media.get(_SAID.get(kind, "")), str):
        return f"[{kind}]\n{code}"
    mime, data, name = (media.get(field) for field in ("mimeType", "data", "displayName"))
    if isinstance(mime, str) and isinstance(data, str):
        text = documents.text_of(mime, standard(data))
        if text is not None:
            return documents.headed(f"[{kind}: {name}]", text) if isinstance(name, str) else text
    return f"[{kind}: {mime}]" if isinstance(mime, str) else f"[{kind}]"


def said(response: _Fields) -> tuple[str, bool]:
    """What a function gave back, and whether that is an error: the API's ``output`` or ``error`` if it is alone."""
    if len(response) == 1:
        [(name, content)] = response.items()
        if name in (*_OUTPUTS, "error"):
            return _as_text(content), name == "error"
    return _as_text(response), False


def _as_text(content: object) -> str:
    if isinstance(content, str):
        return content
    value.check_depth([content])
    return msgspec.json.encode(content).decode()
