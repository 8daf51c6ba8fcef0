"""OpenAI Responses, as a `Dialect`."""

from __future__ import annotations

from msgspec import Struct

from greenroom.interception.dialects import chat_reply, responses_memory, responses_reply, responses_request
from greenroom.interception.dialects.base import Operation
from greenroom.interception.dialects.responses_stream import ResponsesStream
from greenroom.interception.errors import Refusal
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect as DialectName

_OPERATIONS = {
    "/v1/responses": Operation("complete", "POST"),
    "/v1/responses/input_tokens": Operation("count_tokens", "POST"),
    "/v1/conversations": Operation("conversation", "POST"),
}


class ResponsesDialect(Struct, frozen=True):
    """Responses, streamed and not, conversations, and the count of tokens. Errors look as in chat completions."""

    name: DialectName = "responses"

    def operation(self, path: str) -> Operation | None:
        """What ``path`` is for."""
        return _OPERATIONS.get(path)

    def decode(self, request: Request, body: bytes) -> ModelCall:
        """Read a request, with what it refers to. Raises `DialectError`."""
        return responses_request.decode(body, request.memory)

    def side(self, operation: Operation, request: Request, model: str) -> bytes:
        """A conversation that is opened, or an estimate of a request's tokens. Raises `DialectError`."""
        del model
        body = request.body if isinstance(request.body, bytes) else b""
        if operation.name == "conversation":
            return responses_memory.begin(body, request.memory)
        return responses_reply.count(responses_request.decode(body, request.memory))

    def encode(self, completion: Completion, call: ModelCall) -> bytes:
        """The reply in one piece."""
        return responses_reply.encode(completion, call)

    def stream(self, call: ModelCall) -> ResponsesStream:
        """The encoder of a streamed reply."""
        return ResponsesStream(call)

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error response."""
        return chat_reply.error(refusal)
