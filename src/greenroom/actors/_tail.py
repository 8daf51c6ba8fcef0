"""The end of a stream of bytes, kept within bounds however much comes."""

from __future__ import annotations

from collections import deque


class Tail:
    """Keeps the last ``limit`` bytes, and no more than twice as many in memory, plus one chunk."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._chunks.append(chunk[-self.limit :])
        self._size += len(self._chunks[-1])
        while self._size - len(self._chunks[0]) >= self.limit:
            self._size -= len(self._chunks.popleft())

    @property
    def text(self) -> str:
        """What is kept, as text; what is no UTF-8 is replaced."""
        return b"".join(self._chunks)[-self.limit :].decode("utf-8", "replace")
