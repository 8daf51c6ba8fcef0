"""The wire protocols between agents and models: pure, bytes in and neutral words out, and back.

A new dialect is one object that satisfies `Dialect`, added to `DIALECTS`.
"""

from __future__ import annotations

from greenroom.interception.dialects.base import Dialect, Operation, Stream
from greenroom.interception.dialects.chat import ChatDialect

__all__ = ["DIALECTS", "FALLBACK", "ChatDialect", "Dialect", "Operation", "Stream", "find"]

FALLBACK: Dialect = ChatDialect()
"""In whose shape an error is told when the path says nothing of the dialect."""
DIALECTS: tuple[Dialect, ...] = (FALLBACK,)


def find(path: str) -> tuple[Dialect, Operation] | None:
    """The dialect ``path`` belongs to, and what it is for."""
    for dialect in DIALECTS:
        operation = dialect.operation(path)
        if operation is not None:
            return dialect, operation
    return None
