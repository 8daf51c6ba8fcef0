"""The end of a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenroom.sandboxes.local.tail import Tail


@given(chunks=st.lists(st.binary(max_size=20)), limit=st.integers(0, 50))
def test_tail(chunks: list[bytes], limit: int) -> None:
    """However a stream is cut into chunks, its last bytes are kept, and it is known whether some are missing."""
    tail = Tail(limit)
    for chunk in chunks:
        tail.add(chunk)
    whole = b"".join(chunks)
    assert bytes(tail) == whole[max(0, len(whole) - limit) :]
    assert tail.truncated == (len(whole) > limit)


def test_memory() -> None:
    """A megabyte in single bytes does not keep a million objects."""
    tail = Tail(4096)
    for _ in range(100_000):
        tail.add(b"x")
    assert len(tail._chunks) <= 5
    assert bytes(tail) == b"x" * 4096
