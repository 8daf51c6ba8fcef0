"""Server-sent events: framing, and an incremental parser.

The format is the WHATWG HTML standard's, section 9.2: lines end in CR, LF or CRLF, a blank line ends an event,
``data`` lines are joined with LF, a line that starts with a colon is a comment, a leading byte order mark is dropped.
"""

from __future__ import annotations

import codecs

from msgspec import Struct

CONTENT_TYPE = "text/event-stream"


class ServerSentEvent(Struct, frozen=True):
    """One event. An unnamed one is a ``message``."""

    data: str
    name: str = "message"


def event(data: bytes, name: str | None = None) -> bytes:
    """Frame one event whose data is a single line, as JSON is."""
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + data + b"\n\n"


def comment(text: str) -> bytes:
    """A line every client has to ignore."""
    return b": " + text.encode() + b"\n\n"


class Parser:
    """Turns bytes, cut anywhere, into events.

    Args:
        limit: Most characters one event may have. Beyond it `feed` raises `ValueError`.
    """

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._limit = limit
        self._tail = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._started = False
        self._after_cr = False

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The events that ``piece`` completes."""
        *lines, self._tail = self._lines(self._decoder.decode(piece))
        events = [done for line in lines if (done := self._line(line)) is not None]
        if self._size + len(self._tail) > self._limit:
            raise ValueError(f"a server-sent event is longer than {self._limit} characters")
        return events

    def _lines(self, text: str) -> list[str]:
        if text and not self._started:
            self._started = True
            text = text.removeprefix("\ufeff")
        if text:
            # A CR ends its line at once; the LF of a CRLF may come with the next piece and is then dropped.
            text, self._after_cr = text.removeprefix("\n") if self._after_cr else text, text.endswith("\r")
        return (self._tail + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._size += len(value) + 1
        elif field == "event":
            self._name = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        done = ServerSentEvent("\n".join(self._data), self._name or "message") if self._data else None
        self._data, self._name, self._size = [], "", 0
        return done
