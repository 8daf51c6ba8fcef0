"""What can go wrong between an agent and its model, and what the agent is told about it.

Two audiences, never mixed. `ModelError` and `DialectError` are for us and may say everything. `Refusal` is for the
agent: a fixed text and a status its SDK knows how to handle, with nothing of ours in it.
"""

from __future__ import annotations

from http import HTTPStatus

from msgspec import Struct


class ModelError(Exception):
    """A model did not answer. Raise it from an answer function; the agent only ever sees a generic text.

    Args:
        kind: A short stable word: ``unavailable``, ``unfinished``, ``timeout``, ``unauthorized``, ``context_length``,
            ``rejected`` ...
            ``context_length`` ends the agent politely and marks the attempt truncated.
        message: For the outcome and for people. Never holds a key.
        status: The HTTP status the model's owner gave, if there was one. Not what the agent sees.
        retryable: Whether the agent's SDK is invited to try again.
    """

    def __init__(self, kind: str, message: str, status: int | None = None, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retryable = retryable

    def __repr__(self) -> str:
        return f"ModelError({self.kind!r}, {self.message!r}, status={self.status}, retryable={self.retryable})"


class DialectError(Exception):
    """The agent's request is not valid in its dialect. The text names the place and is safe to send back.

    Args:
        message: The text.
        status: What the dialect's provider answers in such a case.
        code: The provider's own word for it, where it has one.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ShapeError(DialectError):
    """A model server's answer has something of a type that says nothing: the server will say it like that again.

    Args:
        where: The place.
        expected: What should be there.
        got: What is there. It is not in this error's text, and may be anything, keys included.
    """

    def __init__(self, where: str, expected: str, got: object) -> None:
        super().__init__(f"{where}: expected {expected}")
        self.got = got


class MisfitError(ShapeError):
    """A model server's answer lacks something, or does not fit together. Another one may, from the same server."""


class Refusal(Struct, frozen=True):
    """What an agent is told instead of an answer. Dialects give it their own shape."""

    status: HTTPStatus
    message: str
    retryable: bool = False
    code: str | None = None
    """The provider's own word for it, where a dialect has room for one."""


class RefusedError(Exception):
    """Carries a `Refusal` to where it is turned into a response."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


UNAUTHORIZED = Refusal(HTTPStatus.UNAUTHORIZED, "Invalid API key.")
NOT_FOUND = Refusal(HTTPStatus.NOT_FOUND, "Unknown path.")
METHOD = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed for this path.")
MEDIA_TYPE = Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The content type has to be application/json.")
TOO_LARGE = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request body is too large.")
TOO_MANY_HEADERS = Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many or too large headers.")
TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request body did not arrive in time.", retryable=True)
MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "The request is malformed.")
FLOOD = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests are open at once.", retryable=True)

# "Please retry your request" is among the texts by which agents tell a passing failure from a lasting one when the
# status line is already out and only the stream is left to say so; the lasting text avoids all of them.
UNAVAILABLE = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The model is not available at the moment. Please retry your request.",
    retryable=True,
)
UNANSWERABLE = Refusal(HTTPStatus.BAD_REQUEST, "The model cannot answer this request.")


def malformed(error: DialectError) -> Refusal:
    """The refusal of a request that is not valid in its dialect."""
    return Refusal(error.status, str(error), code=error.code)


def refusal_of(error: ModelError) -> Refusal:
    """What an agent is told when its model did not answer."""
    return UNAVAILABLE if error.retryable else UNANSWERABLE
