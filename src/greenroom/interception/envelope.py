"""What an error response says, in whatever shape it comes. Pure.

An object with ``error``, a list with one, an error within an error, JSON within JSON, FastAPI's list of details, plain
text: whoever wrote it, what counts is its codes and its words. Only fields that hold an error's own words are read:
servers echo requests in others, and a conversation about errors is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeGuard, cast

import msgspec
from msgspec import Struct

from greenroom.interception.dialects.sse import Parser

_Fields = dict[str, Any]

_LARGEST = 1024 * 1024
"""Bytes. A longer body is read as text, of which the beginning counts."""
_TEXT = 4096
"""Characters of one text that are looked at."""
_TEXTS = 32
"""Texts, and codes, that are looked at."""
_DEPTH = 8

_WORDS = frozenset(
    {
        *("error", "errors", "message", "msg", "detail", "details", "reason", "description", "title", "cause"),
        *("error_message", "errormessage", "error_msg", "errormsg", "error_description", "status_msg", "exception"),
        *("metadata", "raw", "innererror", "inner_error", "base_resp", "response", "body", "provider_error"),
    }
)
_CODES = frozenset(
    {"code", "type", "status", "reason", "error_type", "error_code", "errorcode", "status_code", "__type"}
)
_NUMBERS = ("code", "status_code", "status", "http_status", "http_code")
_TYPES: tuple[tuple[str, HTTPStatus], ...] = (
    ("rate_limit", HTTPStatus.TOO_MANY_REQUESTS),
    ("quota", HTTPStatus.TOO_MANY_REQUESTS),
    ("resource_exhausted", HTTPStatus.TOO_MANY_REQUESTS),
    ("overloaded", HTTPStatus.SERVICE_UNAVAILABLE),
    ("unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
    ("timeout", HTTPStatus.GATEWAY_TIMEOUT),
    ("authentication", HTTPStatus.UNAUTHORIZED),
    ("invalid_api_key", HTTPStatus.UNAUTHORIZED),
    ("permission", HTTPStatus.FORBIDDEN),
    ("not_found", HTTPStatus.NOT_FOUND),
    ("invalid", HTTPStatus.BAD_REQUEST),
    ("bad_request", HTTPStatus.BAD_REQUEST),
    ("badrequest", HTTPStatus.BAD_REQUEST),
)
"""What an error's own type says where there is no number."""


class Complaint(Struct, frozen=True):
    """An error's own words."""

    codes: tuple[str, ...] = ()
    """Its codes and types, the outermost first."""
    texts: tuple[str, ...] = ()
    number: int | None = None
    """The HTTP status that the error itself names."""

    @property
    def status(self) -> int:
        """The status this error would have had, had its sender given it one."""
        if self.number is not None:
            return self.number
        said = " ".join(self.codes).lower()
        return next((status for word, status in _TYPES if word in said), HTTPStatus.INTERNAL_SERVER_ERROR)

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(dict.fromkeys((*self.codes, *self.texts)))


def complaint(body: bytes) -> Complaint:
    """What the body of an error response says. Never raises."""
    value = _decoded(body) if len(body) <= _LARGEST else None
    if value is None:
        events = [] if len(body) > _LARGEST else Parser(limit=len(body) + 1).feed(body + b"\n\n")
        value = [_decoded(event.data.encode()) or event.data for event in events]
    return of(value) if value else Complaint(texts=(body[: 4 * _TEXT].decode(errors="replace").strip()[:_TEXT],))


def of(value: object) -> Complaint:
    """What an error that is there as JSON says. Never raises."""
    found = [*_found(value, _DEPTH)][: 4 * _TEXTS]
    codes = tuple(code for code, _ in found if code)
    texts = tuple(text for _, text in found if text)
    return Complaint(codes[:_TEXTS], texts[:_TEXTS], _number(value, _DEPTH))


def is_error(value: object) -> bool:
    """Whether what stands in the place of an error is one. Some servers say there that all is well."""
    if not is_fields(value):
        return bool(value)
    code = value.get("code", value.get("status_code"))
    return bool(value) and not (code in (0, 200, "0", "200") and not value.get("type"))


def error_of(fields: _Fields) -> object:
    """The error that an object in the place of an answer is, or holds; ``None`` if it is none."""
    if fields.get("object") == "error" or fields.get("type") == "error":
        return fields
    for name in ("error", "errors", "base_resp"):
        if is_error(fields.get(name)):
            return fields
    return fields if "choices" not in fields and _WORDS & fields.keys() else None


def is_fields(value: object) -> TypeGuard[_Fields]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def _found(value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Codes and texts, in their order: one of the two each."""
    if depth == 0:
        return
    if isinstance(value, str):
        inner = _decoded(value.encode(errors="replace")) if value.lstrip()[:1] in ("{", "[") else None
        if isinstance(inner, dict | list):
            yield from _found(cast("object", inner), depth - 1)
        else:
            yield "", value[:_TEXT]
    elif isinstance(value, list):
        for item in cast("list[object]", value)[:_TEXTS]:
            yield from _found(item, depth - 1)
    elif is_fields(value):
        for name, item in [*value.items()][: 2 * _TEXTS]:
            if name.lower() in _CODES and isinstance(item, str | int) and not isinstance(item, bool):
                yield str(item)[:_TEXT], ""
            elif name.lower() in _WORDS:
                yield from _found(item, depth - 1)


def _number(value: object, depth: int) -> int | None:
    """The outermost HTTP status that is named."""
    if depth == 0:
        return None
    if isinstance(value, list):
        return next(
            (found for item in cast("list[object]", value)[:_TEXTS] if (found := _number(item, depth - 1))), None
        )
    if not is_fields(value):
        return None
    for name in _NUMBERS:
        if (number := _status(value.get(name))) is not None:
            return number
    inner = [item for name, item in value.items() if name.lower() in _WORDS]
    return next((found for item in inner if (found := _number(item, depth - 1)) is not None), None)


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == len("400"):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if HTTPStatus.BAD_REQUEST <= value < 600 else None  # noqa: PLR2004 - the end of the server's errors


def _decoded(text: bytes) -> object:
    try:
        return msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf").strip())
    except (ValueError, RecursionError):
        return None
