"""The simplest request of each dialect, for tests that go through all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from greenroom.interception import Request
from greenroom.interception.dialects import DIALECTS, Dialect
from tests.interception.talk import Fields

Asking = Callable[[str, bool], tuple[str, dict[str, str], Fields]]
"""A text, and whether to stream, to a path, its query and a body."""


def _chat(text: str, stream: bool) -> tuple[str, dict[str, str], Fields]:  # noqa: FBT001 - as all of these
    messages = [{"role": "user", "content": text}]
    fields: Fields = {"model": "m", "messages": messages, "stream": stream}
    return "/v1/chat/completions", {}, fields | ({"stream_options": {"include_usage": True}} if stream else {})


def _responses(text: str, stream: bool) -> tuple[str, dict[str, str], Fields]:  # noqa: FBT001
    return "/v1/responses", {}, {"model": "m", "input": text, "stream": stream, "store": False}


def _anthropic(text: str, stream: bool) -> tuple[str, dict[str, str], Fields]:  # noqa: FBT001
    messages = [{"role": "user", "content": text}]
    return "/v1/messages", {}, {"model": "m", "max_tokens": 99, "messages": messages, "stream": stream}


def _google(text: str, stream: bool) -> tuple[str, dict[str, str], Fields]:  # noqa: FBT001
    verb, query = ("streamGenerateContent", {"alt": "sse"}) if stream else ("generateContent", {})
    config = {"thinkingConfig": {"includeThoughts": True}}
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return f"/v1beta/models/m:{verb}", query, {"contents": contents, "generationConfig": config}


ASKING: dict[str, Asking] = {"chat": _chat, "responses": _responses, "anthropic": _anthropic, "google": _google}
NAMES = [dialect.name for dialect in DIALECTS]


def dialect_of(name: str) -> Dialect:
    """The dialect of this name."""
    return next(dialect for dialect in DIALECTS if dialect.name == name)


def fields(name: str, text: str = "hi") -> Fields:
    """The body of the simplest request of a dialect."""
    return ASKING[name](text, False)[2]  # noqa: FBT003 - as all of these


def carrying(request: Request, headers: Mapping[str, str]) -> Request:
    """The request with these headers as well."""
    return replace(request, headers={**request.headers, **headers})


def ask(
    name: str, key: str = "", text: str = "hi", *, stream: bool = False, body: bytes | None = None, **headers: str
) -> Request:
    """A request in this dialect that carries ``key``; underscores in header names stand for hyphens."""
    path, query, content = ASKING[name](text, stream)
    return Request(
        method="POST",
        path=path,
        query=query,
        headers={
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            **{field.replace("_", "-"): value for field, value in headers.items()},
        },
        body=json.dumps(content).encode() if body is None else body,
    )
