"""Server-sent events: framing and the incremental parser."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.dialects import sse


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces, cut at ``places``."""
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@given(st.lists(st.text()), st.lists(st.integers(min_value=0)))
def test_events_survive_any_cut(texts: list[str], places: list[int]) -> None:
    """What was framed is parsed again, wherever the network cuts the bytes, even within a character."""
    framed = b"".join(sse.event(json.dumps(text, ensure_ascii=False).encode()) for text in texts)
    parser = sse.Parser()
    found = [event for piece in cut(framed, places) for event in parser.feed(piece)]
    assert [json.loads(event.data) for event in found] == texts


LINES = st.sampled_from(["data: a", "data:\ufeff", "event: b", ": c", "", "data", "id: 1", "\u00e9"])
ENDS = st.sampled_from(["\n", "\r", "\r\n"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(min_value=0)))
def test_the_cut_changes_nothing(lines: list[tuple[str, str]], places: list[int]) -> None:
    """A stream of arbitrary lines means the same in one piece and in many."""
    whole, parts = sse.Parser(), sse.Parser()
    data = "".join(line + end for line, end in lines).encode()
    assert [event for piece in cut(data, places) for event in parts.feed(piece)] == whole.feed(data)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_all_line_ends(end: str) -> None:
    """LF, CR and CRLF end a line, names and several data lines are kept, comments and a byte order mark are not."""
    lines = ["\ufeff: a comment", "event: named", "data: one", "data:two", "", "data", "", "id: 7", ""]
    found = sse.Parser().feed(end.join([*lines, ""]).encode())
    assert found == [sse.ServerSentEvent("one\ntwo", "named"), sse.ServerSentEvent("")]


def test_a_comment_is_no_event() -> None:
    """The keep-alive line reaches no application."""
    assert sse.Parser().feed(sse.comment("still here")) == []


def test_an_endless_event_is_refused() -> None:
    """A server that never ends its event cannot fill the memory, in one line or in many."""
    for piece in (b"data: " + b"x" * 20, b"data: x\n" * 10):
        with pytest.raises(ValueError, match="longer than 10"):
            sse.Parser(limit=10).feed(piece)
