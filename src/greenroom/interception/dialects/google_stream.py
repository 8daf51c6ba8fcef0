"""Google: a streamed reply, as server-sent events or, as its API does when not asked for these, as a JSON array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.interception.dialects import google_reply, sse
from greenroom.interception.errors import Refusal
from greenroom.messages import Completion, ModelCall

_Fields = dict[str, Any]


class GoogleStream:
    """Server-sent events with at most ``piece`` characters of text each."""

    content_type = sse.CONTENT_TYPE

    def __init__(self, call: ModelCall, piece: int = 4096) -> None:
        self._call = call
        self._piece = piece

    def opening(self) -> bytes:
        """An empty line: the dialect has no event that says nothing."""
        return self.keepalive()

    def keepalive(self) -> bytes:
        """An empty line. A comment would do by the standard, but Google's Python client takes it for an answer."""
        return b"\n\n"

    def body(self, completion: Completion) -> Iterator[bytes]:
        """The answer in pieces; the last one says how it ended."""
        *pieces, last = self._pieces(google_reply.parts(completion, self._call))
        for piece in pieces:
            yield self._event(google_reply.response(self._call, [piece]))
        yield self._event(google_reply.response(self._call, [last], completion))

    def closing(self) -> bytes:
        """Nothing: the last piece says that it is the last."""
        return b""

    def error(self, refusal: Refusal) -> bytes:
        """An error object on a line of its own, outside of any event.

        That is how the API sends it: Google's clients look for it there, and the older ones nowhere else.
        """
        return msgspec.json.encode(google_reply.error(refusal)) + b"\n\n"

    def _pieces(self, parts: list[_Fields]) -> Iterator[_Fields]:
        for part in parts:
            text = part.get("text", "")
            *starts, last = range(0, len(text) or 1, self._piece)
            for start in starts:
                # A signature is that of the whole, and goes with the last piece.
                yield {**_thought(part), "text": text[start : start + self._piece]}
            yield {**part, "text": text[last:]} if starts else part

    def _event(self, fields: _Fields) -> bytes:
        return sse.event(msgspec.json.encode(fields))


class GoogleArray(GoogleStream):
    """The same responses as the elements of an array, between which white space keeps the connection alive."""

    content_type = "application/json"

    def __init__(self, call: ModelCall, piece: int = 4096) -> None:
        super().__init__(call, piece)
        self._begun = False

    def opening(self) -> bytes:
        """The array begins."""
        return b"["

    def keepalive(self) -> bytes:
        """White space."""
        return b"\n"

    def closing(self) -> bytes:
        """The array ends."""
        return b"]"

    def error(self, refusal: Refusal) -> bytes:
        """An error object as the last element."""
        return self._event(google_reply.error(refusal)) + self.closing()

    def _event(self, fields: _Fields) -> bytes:
        comma, self._begun = b",\r\n" if self._begun else b"", True
        return comma + msgspec.json.encode(fields)


def _thought(part: _Fields) -> _Fields:
    return {"thought": True} if part.get("thought") else {}
