"""The wire protocols between agents and models: pure, bytes in and neutral words out, and back.

A new dialect is one object that satisfies `Dialect`, added to `DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from greenroom.interception.dialects import anthropic, google, responses_memory
from greenroom.interception.dialects.anthropic import AnthropicDialect
from greenroom.interception.dialects.base import Dialect, Operation, Stream
from greenroom.interception.dialects.chat import ChatDialect
from greenroom.interception.dialects.google import GoogleDialect
from greenroom.interception.dialects.responses import ResponsesDialect
from greenroom.interception.memory import Memory
from greenroom.messages import Completion, ModelCall

__all__ = [
    "DIALECTS",
    "FALLBACK",
    "AnthropicDialect",
    "ChatDialect",
    "Dialect",
    "GoogleDialect",
    "Operation",
    "ResponsesDialect",
    "Stream",
    "find",
    "remember",
    "speaker",
]

FALLBACK: Dialect = ChatDialect()
"""In whose shape an error is told when the path says nothing of the dialect."""
_ANTHROPIC: Dialect = AnthropicDialect()
DIALECTS: tuple[Dialect, ...] = (GoogleDialect(), ResponsesDialect(), FALLBACK, _ANTHROPIC)
_SIGNED: Mapping[str, Dialect] = {anthropic.SIGN: _ANTHROPIC, google.SIGN: GoogleDialect(models_of_v1=True)}


def find(path: str, headers: Mapping[str, str]) -> tuple[Dialect, Operation] | None:
    """The dialect ``path`` belongs to, and what it is for. Where several have it, the headers decide."""
    signed = [dialect for sign, dialect in _SIGNED.items() if sign in headers]
    for dialect in (*signed, *DIALECTS):
        operation = dialect.operation(path)
        if operation is not None:
            return dialect, operation
    return None


def speaker(headers: Mapping[str, str]) -> Dialect:
    """The dialect of whoever asks for a path that is of none, as far as the headers tell."""
    return next((dialect for sign, dialect in _SIGNED.items() if sign in headers), FALLBACK)


def remember(call: ModelCall, answer: Completion, memory: Memory) -> None:
    """Keep what the agent may refer to later, in the one dialect in which it can."""
    if call.dialect == "responses":
        responses_memory.remember(call, answer, memory)
