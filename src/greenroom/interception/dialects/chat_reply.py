"""OpenAI chat completions: replies to an agent, in one piece or streamed.

Token ids and log-probabilities never leave this way: they are for whoever owns the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from greenroom.interception.dialects import chat_functions, sse
from greenroom.interception.dialects.chat_request import encode_tool_use, wants_usage, with_more
from greenroom.interception.errors import Refusal
from greenroom.interception.finish import told
from greenroom.messages import Completion, ModelCall, Thinking, ToolUse, Usage

_Fields = dict[str, Any]

finish_reason = told
"""What agents act on, whatever the model's owner forgot."""
_ERROR_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error"}


def encode(completion: Completion, call: ModelCall) -> bytes:
    """The reply in one piece."""
    choice = {
        "index": 0,
        "message": _message(completion, call),
        "logprobs": None,
        "finish_reason": chat_functions.finish(finish_reason(completion), call),
    }
    head = _head(call, "chat.completion")
    return msgspec.json.encode({**head, "choices": [choice], "usage": _usage(completion.usage)})


def error(refusal: Refusal) -> bytes:
    """The body of an error response."""
    return msgspec.json.encode({"error": _error(refusal)})


def _error(refusal: Refusal) -> _Fields:
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    return {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}


def models(name: str) -> bytes:
    """The list of models: the one there is."""
    return msgspec.json.encode({"object": "list", "data": [_model(name)]})


def model(name: str) -> bytes:
    """The description of the one model there is."""
    return msgspec.json.encode(_model(name))


class ChatStream:
    """A streamed reply: chunks of at most ``piece`` characters of text each."""

    content_type = sse.CONTENT_TYPE

    def __init__(self, call: ModelCall, piece: int = 4096) -> None:
        self._head = _head(call, "chat.completion.chunk")
        self._call = call
        self._usage = wants_usage(call)
        self._piece = piece

    def opening(self) -> bytes:
        """The role, which needs no answer yet."""
        return self._delta({"role": "assistant", "content": ""})

    def keepalive(self) -> bytes:
        """A comment line."""
        return sse.comment("keep-alive")

    def body(self, completion: Completion) -> Iterator[bytes]:
        """Reasoning, text, tool calls, the finish reason, and the usage if it was asked for."""
        for name, text in _texts(completion):
            for piece in self._cut(text):
                yield self._delta({name: piece})
        yield from self._tool_calls(_uses(completion, self._call), _more(completion, "tool_calls"))
        if more := _more(completion, "message"):
            yield self._delta(more)
        yield self._delta({}, chat_functions.finish(finish_reason(completion), self._call))
        if self._usage:
            yield self._event({"choices": [], "usage": _usage(completion.usage)})

    def closing(self) -> bytes:
        """The end marker."""
        return sse.event(b"[DONE]")

    def error(self, refusal: Refusal) -> bytes:
        """An error object as the data of an event: what the SDKs raise from.

        There is no status any more to tell agents whether to try again, so the status it would have had is its
        ``code``, as vLLM has it.
        """
        return sse.event(msgspec.json.encode({"error": {**_error(refusal), "code": int(refusal.status)}}))

    def _tool_calls(self, uses: list[ToolUse], more: _Fields) -> Iterator[bytes]:
        if uses and chat_functions.is_old(self._call):
            yield self._delta(chat_functions.told([encode_tool_use(use) for use in uses], self._call))
            return
        customs = chat_functions.customs(self._call)
        for index, use in enumerate(uses):
            if use.name in customs:
                yield self._delta({"tool_calls": [{"index": index, **chat_functions.as_custom(encode_tool_use(use))}]})
            else:
                yield from self._tool_call(index, use, more)

    def _tool_call(self, index: int, use: ToolUse, more: _Fields) -> Iterator[bytes]:
        head = with_more(encode_tool_use(ToolUse(use.id, use.name, "")), more)
        yield self._delta({"tool_calls": [{"index": index, **head}]})
        for piece in self._cut(use.arguments):
            yield self._delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def _cut(self, text: str) -> Iterator[str]:
        for start in range(0, len(text), self._piece):
            yield text[start : start + self._piece]

    def _delta(self, delta: _Fields, finish: str | None = None) -> bytes:
        return self._event({"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    def _event(self, fields: _Fields) -> bytes:
        return sse.event(msgspec.json.encode({**self._head, **fields}))


def _message(completion: Completion, call: ModelCall) -> _Fields:
    fields: _Fields = {"role": "assistant", "content": None, "refusal": None}
    fields.update(_more(completion, "message"))
    fields.update({name: text for name, text in _texts(completion) if text})
    more = _more(completion, "tool_calls")
    if uses := [with_more(encode_tool_use(use), more) for use in _uses(completion, call)]:
        fields.update(chat_functions.told(uses, call))
    elif fields["content"] is None:
        fields["content"] = ""
    return fields


def _texts(completion: Completion) -> tuple[tuple[str, str], tuple[str, str]]:
    thinking = "".join(part.text for part in completion.parts if isinstance(part, Thinking))
    return ("reasoning_content", thinking), ("content", completion.text)


def _more(completion: Completion, place: str) -> _Fields:
    """What an upstream of this dialect said beyond our words."""
    return completion.extra.get(place) or {}


def _uses(completion: Completion, call: ModelCall) -> list[ToolUse]:
    """Tool calls, each with an id of its own: agents match results by it."""
    uses = [part for part in completion.parts if isinstance(part, ToolUse)]
    return [replace(use, id=use.id or f"call_{call.index}_{at}") for at, use in enumerate(uses)]


def _head(call: ModelCall, kind: str) -> _Fields:
    # The dialect has no clock, and no client looks at the time.
    return {"id": f"chatcmpl-{call.id}", "object": kind, "created": 0, "model": call.model}


def _model(name: str) -> _Fields:
    return {"id": name, "object": "model", "created": 0, "owned_by": "greenroom"}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
