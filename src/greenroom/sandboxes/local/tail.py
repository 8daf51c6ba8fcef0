"""The end of a stream, however long the stream."""

from __future__ import annotations

from collections import deque


class Tail:
    """Keeps the last ``limit`` bytes of what is added."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.total = 0
        """Bytes added."""

    @property
    def truncated(self) -> bool:
        """Whether the beginning is missing."""
        return self.total > self._limit

    def add(self, chunk: bytes) -> None:
        """Append; the oldest go."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self.total += len(chunk)
        while self._chunks and self._size - len(self._chunks[0]) >= self._limit:
            self._size -= len(self._chunks.popleft())
        if len(self._chunks) > 1 + self._limit // 1024:  # many tiny chunks would cost more than their bytes
            self._chunks = deque([bytes(self)])
            self._size = len(self._chunks[0])

    def __bytes__(self) -> bytes:
        """What is kept."""
        kept = b"".join(self._chunks)
        return kept[max(0, len(kept) - self._limit) :]
