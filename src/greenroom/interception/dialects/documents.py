"""Documents within a request whose bytes are plain text: the model reads them as text, in every dialect alike."""

from __future__ import annotations

import base64
import binascii
import re

_DATA_URL = re.compile(r"data:(?P<kind>[^,;]*)(?P<parameters>(?:;[^,;]*)*?);base64,", re.IGNORECASE)
_TEXTS = re.compile(
    r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|x-sh|x-ndjson|csv)", re.IGNORECASE
)


def text_of(kind: str, data: str) -> str | None:
    """The text that ``data`` is in base64, if ``kind`` is a media type of text and the bytes are UTF-8."""
    if not _TEXTS.fullmatch(kind.partition(";")[0].strip()):
        return None
    try:
        return base64.b64decode(data, validate=True).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        return None


def text_of_url(url: object) -> str | None:
    """The same for a ``data:`` URL."""
    head = _DATA_URL.match(url) if isinstance(url, str) else None
    return text_of(head["kind"], head.string[head.end() :]) if head else None


def headed(note: str, text: str) -> str:
    """``text`` under the note that says what it is."""
    return f"{note}\n{text}"
