"""Anthropic Messages, as a `Dialect`."""

from __future__ import annotations

from msgspec import Struct

from greenroom.interception.dialects import anthropic_reply, anthropic_request
from greenroom.interception.dialects.anthropic_stream import AnthropicStream
from greenroom.interception.dialects.base import Operation
from greenroom.interception.errors import Refusal
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect as DialectName

SIGN = "anthropic-version"
"""The header that tells clients of this dialect from others, where a path does not."""

_OPERATIONS = {
    "/v1/messages": Operation("complete", "POST"),
    "/v1/messages/count_tokens": Operation("count_tokens", "POST"),
    "/v1/models": Operation("models", "GET"),
}
_MODEL = Operation("model", "GET")


class AnthropicDialect(Struct, frozen=True):
    """Messages, streamed and not, the count of their tokens, and the list of models."""

    name: DialectName = "anthropic"

    def operation(self, path: str) -> Operation | None:
        """What ``path`` is for."""
        if path.startswith("/v1/models/"):
            return _MODEL
        return _OPERATIONS.get(path)

    def decode(self, request: Request, body: bytes) -> ModelCall:
        """Read a request. All of it is in the body. Raises `DialectError`."""
        del request
        return anthropic_request.decode(body)

    def side(self, operation: Operation, request: Request, model: str) -> bytes:
        """The one model there is, alone or as a list, or an estimate of a request's tokens. Raises `DialectError`."""
        match operation.name:
            case "count_tokens" if isinstance(request.body, bytes):
                return anthropic_reply.count(anthropic_request.decode(request.body))
            case "models":
                return anthropic_reply.models(model)
            case _:
                return anthropic_reply.model(model)

    def encode(self, completion: Completion, call: ModelCall) -> bytes:
        """The reply in one piece."""
        return anthropic_reply.encode(completion, call)

    def stream(self, call: ModelCall) -> AnthropicStream:
        """The encoder of a streamed reply."""
        return AnthropicStream(call)

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error response."""
        return anthropic_reply.error(refusal)
