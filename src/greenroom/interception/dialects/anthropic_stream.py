"""Anthropic Messages: streamed replies.

The order of events is that of https://platform.claude.com/docs/en/build-with-claude/streaming: ``message_start``, the
content blocks one after another, ``message_delta``, ``message_stop``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.interception.dialects import anthropic_reply, sse
from greenroom.interception.dialects.anthropic_reply import NOT_STOPPED
from greenroom.interception.errors import Refusal
from greenroom.messages import Completion, ModelCall, Usage

_Fields = dict[str, Any]


class AnthropicStream:
    """A streamed reply: deltas of at most ``piece`` characters of text each."""

    content_type = sse.CONTENT_TYPE

    def __init__(self, call: ModelCall, piece: int = 4096) -> None:
        self._call = call
        self._piece = piece

    def opening(self) -> bytes:
        """The frame of the message, which needs no answer yet, and a ping, as the API sends them."""
        usage = anthropic_reply.usage_of(Usage())
        message: _Fields = {**anthropic_reply.head(self._call), "content": [], **NOT_STOPPED, "usage": usage}
        return _event("message_start", message=message) + _event("ping")

    def keepalive(self) -> bytes:
        """A delta of the message that says nothing new, as there may be any number of them.

        Comments and pings reach no application: the SDKs drop them. Claude Code 2.1.197 gives a stream up on which
        nothing else has come for 300 s.
        """
        return _message_delta(NOT_STOPPED, Usage())

    def body(self, completion: Completion) -> Iterator[bytes]:
        """The content blocks, why the answer ended, and the usage."""
        for index, block in enumerate(anthropic_reply.blocks(completion, self._call)):
            start, deltas = self._apart(block)
            yield _event("content_block_start", index=index, content_block=start)
            for delta in deltas:
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        yield _message_delta(anthropic_reply.stop(completion, self._call), completion.usage)

    def closing(self) -> bytes:
        """The end marker."""
        return _event("message_stop")

    def error(self, refusal: Refusal) -> bytes:
        """An error event. Claude Code streams again after ``overloaded_error``, and after no other."""
        return sse.event(anthropic_reply.error(refusal, "overloaded_error" if refusal.retryable else None), "error")

    def _apart(self, block: _Fields) -> tuple[_Fields, Iterator[_Fields]]:
        """A block as it starts, and the deltas that make it whole."""
        match block["type"]:
            case "text":
                return {**block, "text": ""}, self._cut(block["text"], "text", "text_delta")
            case "thinking":
                return {**block, "thinking": "", "signature": ""}, self._thought(block)
            case "tool_use":
                written = bytes(block["input"]).decode()
                return {**block, "input": {}}, self._cut(written, "partial_json", "input_json_delta")
            case _:
                return block, iter(())

    def _thought(self, block: _Fields) -> Iterator[_Fields]:
        yield from self._cut(block["thinking"], "thinking", "thinking_delta")
        yield {"type": "signature_delta", "signature": block["signature"]}

    def _cut(self, text: str, name: str, delta: str) -> Iterator[_Fields]:
        for start in range(0, len(text), self._piece):
            yield {"type": delta, name: text[start : start + self._piece]}


def _message_delta(delta: _Fields, usage: Usage) -> bytes:
    return _event("message_delta", delta=delta, usage=anthropic_reply.usage_of(usage))


def _event(kind: str, **fields: object) -> bytes:
    return sse.event(msgspec.json.encode({"type": kind, **fields}), kind)
