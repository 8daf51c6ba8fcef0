"""OpenAI Responses: a streamed reply, in the full sequence of events the API reference gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.interception.dialects import responses_reply, sse
from greenroom.interception.errors import Refusal
from greenroom.messages import Completion, ModelCall

_Fields = dict[str, Any]


class ResponsesStream:
    """Events that carry at most ``piece`` characters of text each."""

    content_type = sse.CONTENT_TYPE

    def __init__(self, call: ModelCall, piece: int = 4096) -> None:
        self._call = call
        self._piece = piece
        self._number = 0

    def opening(self) -> bytes:
        """The response is made and under way."""
        return self._event("response.created", response=self._waiting()) + self.keepalive()

    def keepalive(self) -> bytes:
        """The response is still under way: comments do not reset the idle timer of codex, events do."""
        return self._event("response.in_progress", response=self._waiting())

    def body(self, completion: Completion) -> Iterator[bytes]:
        """All items, one after another, and the whole response."""
        response = responses_reply.finished(completion, self._call)
        for at, item in enumerate(response["output"]):
            yield from self._item(at, item)
        yield self._event(f"response.{response['status']}", response=response)

    def closing(self) -> bytes:
        """Nothing: the last event says that it is the last."""
        return b""

    def error(self, refusal: Refusal) -> bytes:
        """The response failed."""
        return self._event("response.failed", response=responses_reply.failed(refusal, self._call))

    def _waiting(self) -> _Fields:
        return responses_reply.response(self._call, "in_progress")

    def _item(self, at: int, item: _Fields) -> Iterator[bytes]:
        yield self._event("response.output_item.added", output_index=at, item=_begun(item))
        place = {"item_id": item["id"], "output_index": at}
        match item["type"]:
            case "message":
                yield from self._text(item["content"][0], place)
            case "reasoning":
                yield from self._summary(item["summary"], place)
            case "custom_tool_call":
                yield from self._arguments("response.custom_tool_call_input", "input", item["input"], place)
            case "tool_search_call":
                pass
            case _:
                yield from self._arguments("response.function_call_arguments", "arguments", item["arguments"], place)
        yield self._event("response.output_item.done", output_index=at, item=item)

    def _text(self, part: _Fields, place: _Fields) -> Iterator[bytes]:
        place, text = {**place, "content_index": 0}, part["text"]
        yield self._event("response.content_part.added", **place, part={**part, "text": ""})
        for piece in self._cut(text):
            yield self._event("response.output_text.delta", **place, delta=piece, logprobs=[])
        yield self._event("response.output_text.done", **place, text=text, logprobs=[])
        yield self._event("response.content_part.done", **place, part=part)

    def _summary(self, summary: list[_Fields], place: _Fields) -> Iterator[bytes]:
        for index, part in enumerate(summary):
            here, text = {**place, "summary_index": index}, part["text"]
            yield self._event("response.reasoning_summary_part.added", **here, part={**part, "text": ""})
            for piece in self._cut(text):
                yield self._event("response.reasoning_summary_text.delta", **here, delta=piece)
            yield self._event("response.reasoning_summary_text.done", **here, text=text)
            yield self._event("response.reasoning_summary_part.done", **here, part=part)

    def _arguments(self, kind: str, name: str, text: str, place: _Fields) -> Iterator[bytes]:
        for piece in self._cut(text):
            yield self._event(f"{kind}.delta", **place, delta=piece)
        yield self._event(f"{kind}.done", **place, **{name: text})

    def _cut(self, text: str) -> Iterator[str]:
        for start in range(0, len(text), self._piece):
            yield text[start : start + self._piece]

    def _event(self, kind: str, **fields: object) -> bytes:
        data = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return sse.event(msgspec.json.encode(data), kind)


_EMPTY: _Fields = {"content": [], "summary": [], "arguments": "", "input": "", "status": "in_progress"}


def _begun(item: _Fields) -> _Fields:
    """The item before anything of it has been said."""
    return {name: _EMPTY.get(name, content) for name, content in item.items()}
