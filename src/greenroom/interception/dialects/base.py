"""What every dialect offers: bytes in, neutral words out, and back. No clock, no await, no state between calls.

A dialect knows its paths, how a request becomes a `ModelCall`, and how a `Completion` becomes a reply: in one piece,
or as a `Stream` of server-sent events. Everything else (keys, retries, limits, time) is the endpoint's and the same
for all dialects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from msgspec import Struct

from greenroom.interception.errors import Refusal
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import Dialect as DialectName


class Operation(Struct, frozen=True):
    """What a path is for. ``complete`` needs a model; every other name is a side request the dialect answers itself."""

    name: Literal["complete", "models", "model", "count_tokens", "conversation"]
    method: Literal["GET", "POST"]


class Stream(Protocol):
    """Encodes one streamed reply: opening, any number of keep-alives, then body and closing, or an error."""

    content_type: str

    def opening(self) -> bytes:
        """The dialect's first event, written at once, before anything is known of the answer."""
        ...

    def keepalive(self) -> bytes:
        """Something harmless that resets the client's idle timer."""
        ...

    def body(self, completion: Completion) -> Iterator[bytes]:
        """The events of the whole answer."""
        ...

    def closing(self) -> bytes:
        """What ends a complete stream."""
        ...

    def error(self, refusal: Refusal) -> bytes:
        """An error within the stream: the status line is long out."""
        ...


class Dialect(Protocol):
    """One wire protocol between agents and models."""

    @property
    def name(self) -> DialectName:
        """As an agent's spec names it."""
        ...

    def operation(self, path: str) -> Operation | None:
        """What ``path`` is for, ``None`` when it is not of this dialect."""
        ...

    def decode(self, request: Request, body: bytes) -> ModelCall:
        """Read a request. The call's identity (id, rollout, index ...) is filled in by the endpoint.

        Raises:
            DialectError: The request is not valid; the only exception that leaves, whatever the bytes.
        """
        ...

    def side(self, operation: Operation, request: Request, model: str) -> bytes:
        """The body of the reply to a side request. What was posted, if anything, is in ``request.body``, as bytes.

        Raises:
            DialectError: The request is not valid.
        """
        ...

    def encode(self, completion: Completion, call: ModelCall) -> bytes:
        """The body of a reply that is not streamed."""
        ...

    def stream(self, call: ModelCall) -> Stream:
        """The encoder of a streamed reply."""
        ...

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error response, in the shape the dialect's SDKs parse."""
        ...
