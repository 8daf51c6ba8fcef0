"""What an agent says of itself, read off its output as it comes, within bounds however much that is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import structlog
from msgspec.structs import replace

from greenroom.specs import AgentEvent

_log = structlog.get_logger(__name__)

LINE_LIMIT = 1024 * 1024
"""Bytes. A longer line is passed over."""
TEXT_LIMIT = 2000
"""Characters of an event that are kept."""
EVENT_LIMIT = 2000
"""Events of an attempt that are kept; the later ones are passed over."""


class Transcript:
    """Puts chunks together to lines, and lines to events.

    Args:
        parse: As in `AgentSpec.events`. If it raises, the line says nothing, and the log says so once: it is other
            people's code, and the line is the agent's.
    """

    def __init__(self, parse: Callable[[str], tuple[AgentEvent, ...]] | None) -> None:
        self._parse = parse
        self._line = bytearray()
        self._too_long = False
        self._left = EVENT_LIMIT
        self._complained = False

    def add(self, chunk: bytes, at: float) -> list[AgentEvent]:
        """The events of the lines that end in ``chunk``, which came ``at`` seconds after the attempt began."""
        if self._parse is None or not self._left:
            return []
        *whole, rest = chunk.split(b"\n")
        events: list[AgentEvent] = []
        for piece in whole:
            self._append(piece)
            events += self.end(at)
        self._append(rest)
        return events

    def end(self, at: float) -> list[AgentEvent]:
        """The events of the line that was begun; nothing more comes of it."""
        line, long = bytes(self._line), self._too_long
        self._line.clear()
        self._too_long = False
        return [] if long or not line.strip() else list(self._events(line, at))

    def _append(self, piece: bytes) -> None:
        self._too_long = self._too_long or len(self._line) + len(piece) > LINE_LIMIT
        if self._too_long:
            self._line.clear()
        else:
            self._line += piece

    def _events(self, line: bytes, at: float) -> Iterator[AgentEvent]:
        if self._parse is None:
            return
        try:
            found = self._parse(line.decode("utf-8", "replace"))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: other people's code on a hostile line
            if not self._complained:
                _log.warning("agent_events_unreadable", error=type(error).__name__)
            self._complained = True
            return
        for event in itertools.islice(found, self._left):
            self._left -= 1
            yield replace(event, text=_cut(event.text), tool=_cut(event.tool), id=_cut(event.id), at=at)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} [...]"
