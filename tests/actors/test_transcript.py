from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.transcript import EVENT_LIMIT, LINE_LIMIT, TEXT_LIMIT, Transcript
from greenroom.specs import AgentEvent


def whole(line: str) -> tuple[AgentEvent, ...]:
    """Every line is an event."""
    return (AgentEvent(kind="text", text=line),)


def texts(chunks: list[bytes]) -> list[str]:
    """What is read from output in these chunks."""
    transcript = Transcript(whole)
    return [event.text for chunk in [*chunks, b"\n"] for event in transcript.add(chunk, 1.0)]


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_it_does_not_matter_how_output_is_cut(chunks: list[bytes], size: int) -> None:
    """Lines are the same however their bytes arrive."""
    output = b"".join(chunks)
    assert texts([output[at : at + size] for at in range(0, len(output), size)]) == texts([output])


def test_a_step_is_told_when_its_line_ends() -> None:
    """An event comes with the chunk that ends its line, dated with that; the last line needs no end."""
    transcript = Transcript(whole)
    assert transcript.add(b"one\ntw", 1.0) == [AgentEvent(kind="text", text="one", at=1.0)]
    assert transcript.add(b"o\n\nthree", 2.0) == [AgentEvent(kind="text", text="two", at=2.0)]
    assert transcript.end(3.0) == [AgentEvent(kind="text", text="three", at=3.0)]
    assert transcript.end(4.0) == []


def test_too_long_a_line_is_passed_over() -> None:
    """A line beyond the limit says nothing, and the next one is read."""
    assert texts([b"x" * (LINE_LIMIT - 1), b"yy\nnext"]) == ["next"]


def test_what_is_kept_is_bounded() -> None:
    """Texts are cut, and beyond the limit there are no more events."""
    transcript = Transcript(whole)
    (event,) = transcript.add(b"x" * 9000 + b"\n", 0.0)
    assert (event.text[:TEXT_LIMIT], len(event.text) < TEXT_LIMIT + 10) == ("x" * TEXT_LIMIT, True)
    assert len(transcript.add(b"y\n" * 2 * EVENT_LIMIT, 0.0)) == EVENT_LIMIT - 1
    assert transcript.add(b"z\n", 0.0) == []


def broken(line: str) -> tuple[AgentEvent, ...]:
    """Fail on a line."""
    raise LookupError(line)


@pytest.mark.parametrize("parse", [broken, None])
def test_a_parser_that_fails_or_is_not_there_says_nothing(parse: object) -> None:
    """Neither an error nor an event comes of it."""
    transcript = Transcript(parse)  # type: ignore[arg-type]
    assert transcript.add(b"one\n", 0.0) + transcript.end(0.0) == []
