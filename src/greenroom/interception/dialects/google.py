"""Google's generateContent and streamGenerateContent, as a `Dialect`."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from greenroom.interception.dialects import google_reply, google_request
from greenroom.interception.dialects.base import Operation
from greenroom.interception.dialects.google_stream import GoogleArray, GoogleStream
from greenroom.interception.errors import Refusal
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect as DialectName

SIGN = "x-goog-api-key"
"""The header that tells clients of this dialect from others, where a path does not."""

_VERB = re.compile(r"/v1(?:beta|alpha)?/(?:models/)?(?P<model>.+):(?P<verb>\w+)")
_OPERATIONS = {
    "generateContent": Operation("complete", "POST"),
    "streamGenerateContent": Operation("complete", "POST"),
    "countTokens": Operation("count_tokens", "POST"),
}
_MODELS = ("/v1beta/models", "/v1alpha/models")
_MODELS_OF_V1 = "/v1/models"


class GoogleDialect(Struct, frozen=True):
    """Content generation, streamed and not, and the list of models.

    The model, and whether to stream, is in the path; whether as server-sent events, in the query.
    """

    name: DialectName = "google"
    models_of_v1: bool = False
    """Whether the list of models under ``/v1``, which other dialects have too, is asked for in this one."""

    def operation(self, path: str) -> Operation | None:
        """What ``path`` is for."""
        match = _VERB.fullmatch(path)
        if match and match["verb"] in _OPERATIONS:
            return _OPERATIONS[match["verb"]]
        roots = (*_MODELS, _MODELS_OF_V1) if self.models_of_v1 else _MODELS
        if path in roots:
            return Operation("models", "GET")
        return Operation("model", "GET") if path.startswith(tuple(f"{root}/" for root in roots)) else None

    def decode(self, request: Request, body: bytes) -> ModelCall:
        """Read a request. Raises `DialectError`."""
        model, stream = _asked(request)
        call = google_request.decode(body, model, stream=stream)
        # The name is that of the field other dialects have for it, as two ways to ask for one answer are one call.
        if stream and request.query.get("alt") != "sse":
            call.extra["stream_options"] = {"array": True}
        return call

    def side(self, operation: Operation, request: Request, model: str) -> bytes:
        """The one model there is, alone or as a list, or an estimate of a request's tokens. Raises `DialectError`."""
        match operation.name:
            case "count_tokens" if isinstance(request.body, bytes):
                return google_reply.count(google_request.counted(request.body))
            case "models":
                return google_reply.models(model)
            case _:
                return google_reply.model(model)

    def encode(self, completion: Completion, call: ModelCall) -> bytes:
        """The reply in one piece."""
        return google_reply.encode(completion, call)

    def stream(self, call: ModelCall) -> GoogleStream:
        """The encoder of a streamed reply."""
        return GoogleArray(call) if "stream_options" in call.extra else GoogleStream(call)

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error response."""
        return msgspec.json.encode(google_reply.error(refusal))


def _asked(request: Request) -> tuple[str, bool]:
    match = _VERB.fullmatch(request.path)
    if match is None:
        raise ValueError(f"{request.path!r} names no model")
    return match["model"], match["verb"] == "streamGenerateContent"
