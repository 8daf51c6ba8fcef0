"""What an upstream's response means: an answer, or a failure and whether trying again may help. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
from msgspec import Struct

from greenroom.interception.backoff import asked_wait
from greenroom.interception.dialects import chat_answer
from greenroom.interception.errors import DialectError, ModelError
from greenroom.interception.secret import quotes
from greenroom.messages import Completion

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
_KEY_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REJECTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_OVERFLOW = (
    "context_length_exceeded",
    "context length",
    "context window",
    "maximum model length",
    "prompt is too long",
)
_SHOWN = 500


class Failure(Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    error: ModelError
    passing: bool = False
    """Whether the same request may succeed later."""
    wait: float | None = None
    """Seconds the server asks to be left alone."""
    rejected: bool = False
    """Whether the request itself is at fault: perhaps it has fields the server does not know."""


def judge(status: int, headers: Mapping[str, str], body: bytes, secret: str = "") -> Completion | Failure:
    """What a response says.

    Args:
        status: Its HTTP status.
        headers: Its headers; names in any case.
        body: Its body.
        secret: What must not appear in an error's text, even if the server quotes it.
    """
    if status == HTTPStatus.OK:
        return _answer(body)
    if passes(status):
        error = ModelError("unavailable", f"the model server answered {status}", status)
        return Failure(error=error, passing=True, wait=asked_wait(headers))
    if status in _KEY_REFUSED:
        # Servers quote the key in this one.
        error = ModelError("unauthorized", f"the model server refuses the key ({status})", status, retryable=False)
        return Failure(error=error)
    text = _text(body)
    return _rejection(status, "" if quotes(text, secret) else text)


def passes(status: int) -> bool:
    """Whether a request that is answered with this may succeed later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def unreachable(error: Exception) -> Failure:
    """The connection could not be made, or broke."""
    reason = ModelError("unreachable", f"the connection to the model server failed: {type(error).__name__}")
    return Failure(error=reason, passing=True)


def _answer(body: bytes) -> Completion | Failure:
    try:
        return chat_answer.decode(body)
    except DialectError as error:
        wrong = ModelError("bad_response", f"the model server's answer cannot be used: {error}", HTTPStatus.OK)
        return Failure(error=wrong, passing=True)


def _rejection(status: int, text: str) -> Failure:
    if overflows(text):
        return Failure(error=ModelError("context_length", text, status, retryable=False))
    message = f"the model server answered {status}: {text}" if text else f"the model server answered {status}"
    return Failure(error=ModelError("rejected", message, status, retryable=False), rejected=status in _REJECTED)


def overflows(text: str) -> bool:
    """Whether an error says that the conversation is too long for the model."""
    lowered = text.lower()
    # "max_tokens is too large: ... maximum context length is ..." is a wrong setting, not a conversation too long.
    return any(sign in lowered for sign in _OVERFLOW) and "too large" not in lowered


def _text(body: bytes) -> str:
    """The error's own words: OpenAI's ``error.message`` and code, or vLLM's older ``message``."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ""
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    inner = fields.get("error")
    error = cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields
    words = (error.get("code"), error.get("message"))
    return " ".join(word for word in words if isinstance(word, str))[:_SHOWN]
