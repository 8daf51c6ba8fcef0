"""Follows a provider's reply while it is passed on: whether the answer is whole, and whether it failed."""

from __future__ import annotations

from greenroom.interception.dialects.sse import CONTENT_TYPE, Parser, ServerSentEvent
from greenroom.interception.replies import decoded, pieces_of
from greenroom.interception.replies.ending import DONE, Failed, Sign, ends_without_last_event, sign
from greenroom.interception.replies.fields import Fields, is_fields
from greenroom.specs import Dialect

_KNOWN = ("", CONTENT_TYPE, "application/json", "text/html", "text/plain")
"""What providers send. A whole reply of another type is not ours to judge."""
_CUT = Failed("cut_off", None, "")
_EMPTY = Failed("no_answer", None, "")


class Progress:
    """Follows one reply to a call.

    Args:
        dialect: In which the provider answers.
        content_type: What the provider says it sends.
    """

    def __init__(self, dialect: Dialect, content_type: str = "") -> None:
        self._dialect: Dialect = dialect
        self._kind = content_type.partition(";")[0].strip().lower()
        self._parser: Parser | None = Parser()
        self._events = 0
        self._answered = False
        self.over = False
        """The dialect's last event has come."""
        self.failure: Failed | None = None
        """What the provider said of its failure; the first counts."""

    @property
    def begun(self) -> bool:
        """Whether an event has come that is no failure."""
        return self._events > 0 and self.failure is None

    def feed(self, piece: bytes) -> None:
        """The next bytes, cut anywhere."""
        if self._parser is None or self.over:
            return
        try:
            events = self._parser.feed(piece)
        except ValueError:  # an event beyond all measure: what follows cannot be read
            self._parser = None
            return
        for event in events:
            if not self.over:
                self._hear(event)

    def left(self, kept: bytes | bytearray) -> bool:
        """Whether an agent that goes away now has its answer.

        Args:
            kept: All the provider has said so far.
        """
        if self.failure is not None or self._events:
            return self.failure is None and (self.over or self._answered)
        signs = self._signs(kept)
        return _first_failure(signs) is None and (is_fields(decoded(kept)) or "answered" in signs)

    def end(self, kept: bytes | bytearray, *, whole: bool = True) -> None:
        """The provider has said all; if that is no answer, `failure` says why.

        Args:
            kept: All it has said.
            whole: Whether that is so: of a reply beyond all measure only the beginning is kept.
        """
        if not self.over and self.failure is None:
            self.feed(b"\n\n")
            self.failure = self._flaw(kept, whole=whole)

    def _hear(self, event: ServerSentEvent) -> None:
        if event.data == DONE:
            self.over = self._events > 0 and self.failure is None
            return
        self._events += 1
        found = sign(self._dialect, _fields(event))
        if isinstance(found, Failed):
            self.failure = self.failure or found
        self.over = self.failure is None and found == "over"
        self._answered = self._answered or found == "answered"

    def _flaw(self, kept: bytes | bytearray, *, whole: bool) -> Failed | None:
        if self.over or self.failure is not None:
            return self.failure
        if self._parser is None:
            return None
        if self._events:
            return None if self._answered and ends_without_last_event(self._dialect) else _CUT
        return self._flaw_of_body(kept) if whole and self._kind in _KNOWN else None

    def _flaw_of_body(self, kept: bytes | bytearray) -> Failed | None:
        signs = self._signs(kept)
        failed = _first_failure(signs)
        if failed is not None or "answered" in signs or is_fields(decoded(kept)):
            return failed
        return _CUT if kept.lstrip().startswith((b"{", b"[")) else _EMPTY

    def _signs(self, body: bytes | bytearray) -> list[Sign]:
        return [sign(self._dialect, piece) for piece in pieces_of(body)]


def _fields(event: ServerSentEvent) -> Fields:
    """What an event says; one that is named so is an error, whatever its data look like."""
    found = decoded(event.data)
    fields = found if is_fields(found) else {}
    if event.name == "error" and not fields.get("error"):
        return {"error": fields or event.data or "error"}
    return fields


def _first_failure(signs: list[Sign]) -> Failed | None:
    return next((one for one in signs if isinstance(one, Failed)), None)
