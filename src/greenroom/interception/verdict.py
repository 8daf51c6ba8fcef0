"""What an upstream's response means: an answer, or a failure and whether trying again may help. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct

from greenroom.interception import envelope
from greenroom.interception.backoff import asked_wait
from greenroom.interception.dialects import chat_answer, chat_body
from greenroom.interception.envelope import Complaint, is_error
from greenroom.interception.errors import DialectError, MisfitError, ModelError, ShapeError
from greenroom.interception.overflow import overflows
from greenroom.interception.secret import quotes
from greenroom.messages import Completion

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
_KEY_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REJECTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_SHOWN = 500
_SHOWN_OF_ANSWERS = 200


class Failure(Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    error: ModelError
    passing: bool = False
    """Whether the same request may succeed later."""
    repeats: bool = False
    """Whether the server will most likely fail like this at every request: it is told at once, and not asked again."""
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
        return _answer(headers, body, secret)
    return _failed(status, headers, envelope.complaint(body), secret)


def passes(status: int) -> bool:
    """Whether a request that is answered with this may succeed later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def unreachable(error: Exception) -> Failure:
    """The connection could not be made, or broke."""
    reason = ModelError("unreachable", f"the connection to the model server failed: {type(error).__name__}")
    return Failure(error=reason, passing=True)


def _answer(headers: Mapping[str, str], body: bytes, secret: str) -> Completion | Failure:
    try:
        read = chat_body.read(body)
        if read.error is None:
            return _completion(headers, read, secret)
        said = envelope.of(read.error)
    except ShapeError as error:
        return _unusable(f"{error}, got {_shown(error.got, secret)}", again=isinstance(error, MisfitError))
    except DialectError as error:
        wrong = ModelError("bad_response", f"the model server's answer cannot be used: {error}", HTTPStatus.OK)
        return Failure(error=wrong, passing=True)
    return _failed(said.status, headers, said, secret, " with an error")


def _completion(headers: Mapping[str, str], read: chat_body.Body, secret: str) -> Completion | Failure:
    choice = chat_answer.choice_of(read.fields)
    found = chat_answer.ending_of(choice, read.fields)
    if is_error(choice.get("error")):
        said = envelope.of(choice["error"])
        return _failed(said.status, headers, said, secret, " with an error in its answer")
    if found is not None and found.meaning == "failed":
        text = f"the model server broke its answer off: finish reason {_shown(found.word, secret)}"
        return Failure(error=ModelError("unfinished", text, HTTPStatus.OK), passing=True)
    if found is not None and found.meaning == "context":
        text = f"the context was used up within the answer: finish reason {_shown(found.word, secret)}"
        return Failure(error=ModelError("context_length", text, HTTPStatus.OK, retryable=False))
    if not read.ended:
        text = "the model server's answer ends in the middle: there is no finish reason, and no end of the stream"
        return Failure(error=ModelError("unfinished", text, HTTPStatus.OK), passing=True)
    return chat_answer.completion(read.fields)


def _unusable(text: str, *, again: bool) -> Failure:
    """An answer of a wrong shape. It is told once: the agent is not invited to try again.

    Args:
        text: What is wrong.
        again: Whether another answer of the same server may be right.
    """
    message = f"the model server's answer cannot be used: {text}"
    wrong = ModelError("bad_response", message, HTTPStatus.OK, retryable=False)
    return Failure(error=wrong, passing=True, repeats=not again)


def _failed(status: int, headers: Mapping[str, str], said: Complaint, secret: str, how: str = "") -> Failure:
    """A failure of this status, told by the status line or, as ``how`` says, by what is in the place of an answer."""
    if overflows(status, said):
        text = _words(said, secret) or "the conversation is too long for the model"
        return Failure(error=ModelError("context_length", text, status, retryable=False))
    if status in _KEY_REFUSED:
        # Servers quote the key in this one.
        text = f"the model server refuses the key ({status})"
        return Failure(error=ModelError("unauthorized", text, status, retryable=False))
    where = (
        f"the model server answered {HTTPStatus.OK.value}{how} ({status})"
        if how
        else f"the model server answered {status}"
    )
    text = _words(said, secret)
    told = f"{where}: {text}" if text else where
    if passes(status):
        error = ModelError("unavailable", told if how else where, status)
        return Failure(error=error, passing=True, wait=asked_wait(headers))
    error = ModelError("rejected", told, status, retryable=False)
    return Failure(error=error, rejected=status in _REJECTED and not how)


def _words(said: Complaint, secret: str) -> str:
    """What an error says itself, or nothing if that holds the key."""
    return "" if quotes(said.text, secret) else said.text[:_SHOWN]


def _shown(got: object, secret: str) -> str:
    """The beginning of what was found, escaped, in ASCII; not if it holds the key, be it in what is cut off."""
    try:
        text = json.dumps(got)
    except (ValueError, RecursionError):  # numbers of thousands of digits, nesting without end
        return "a value that cannot be shown"
    if quotes(text, secret):
        return "a value that holds the key"
    return text if len(text) <= _SHOWN_OF_ANSWERS else f"{text[: _SHOWN_OF_ANSWERS - 3]}..."
