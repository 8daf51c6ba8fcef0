"""OpenAI chat completions, as a `Dialect`."""

from __future__ import annotations

from msgspec import Struct

from greenroom.interception.dialects import chat_reply, chat_request
from greenroom.interception.dialects.base import Operation
from greenroom.interception.dialects.chat_reply import ChatStream
from greenroom.interception.errors import Refusal
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect as DialectName

_OPERATIONS = {
    "/v1/chat/completions": Operation("complete", "POST"),
    "/v1/models": Operation("models", "GET"),
}
_MODEL = Operation("model", "GET")


class ChatDialect(Struct, frozen=True):
    """Chat completions, streamed and not, and the list of models."""

    name: DialectName = "chat"

    def operation(self, path: str) -> Operation | None:
        """What ``path`` is for."""
        if path.startswith("/v1/models/"):
            return _MODEL
        return _OPERATIONS.get(path)

    def decode(self, request: Request, body: bytes) -> ModelCall:
        """Read a request. All of it is in the body. Raises `DialectError`."""
        del request
        return chat_request.decode(body)

    def side(self, operation: Operation, request: Request, model: str) -> bytes:
        """The one model there is, alone or as a list."""
        del request
        return chat_reply.models(model) if operation.name == "models" else chat_reply.model(model)

    def encode(self, completion: Completion, call: ModelCall) -> bytes:
        """The reply in one piece."""
        return chat_reply.encode(completion, call)

    def stream(self, call: ModelCall) -> ChatStream:
        """The encoder of a streamed reply."""
        return ChatStream(call)

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error response."""
        return chat_reply.error(refusal)
