from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors._tail import Tail


@given(st.lists(st.binary(max_size=20)), st.integers(min_value=1, max_value=30))
def test_the_end_is_kept(chunks: list[bytes], limit: int) -> None:
    """However the bytes are cut, the last ones are there, and no more than the limit."""
    tail = Tail(limit)
    for chunk in chunks:
        tail.add(chunk)
    assert tail.text == b"".join(chunks)[-limit:].decode("utf-8", "replace")


def test_memory_is_bounded() -> None:
    """A program that prints for ever takes no more memory than twice the limit and one chunk."""
    tail = Tail(100)
    for _ in range(10_000):
        tail.add(b"x" * 30)
    assert sum(map(len, tail._chunks)) <= 230
