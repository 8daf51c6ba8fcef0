"""Anthropic Messages: replies to an agent, in one piece, and the parts a streamed one is made of.

Token ids and log-probabilities never leave this way: they are for whoever owns the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.interception.dialects import arguments, tokens
from greenroom.interception.dialects.anthropic_content import UNSIGNED
from greenroom.interception.errors import Refusal
from greenroom.interception.finish import told
from greenroom.messages import Completion, FinishReason, ModelCall, Text, Thinking, ToolUse, Usage

_Fields = dict[str, Any]

_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "unknown": "end_turn",
}
_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
}
NOT_STOPPED: _Fields = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
"""What an answer that is not there yet has in the place of `stop`."""
_EPOCH = "1970-01-01T00:00:00Z"
"""When a model was released, as the API says it when that is not known."""


def encode(completion: Completion, call: ModelCall) -> bytes:
    """The reply in one piece."""
    content = list(blocks(completion, call))
    usage = usage_of(completion.usage)
    return msgspec.json.encode({**head(call), "content": content, **stop(completion, call), "usage": usage})


def head(call: ModelCall) -> _Fields:
    """What is known of a reply before the answer is."""
    return {"id": f"msg_{call.id}", "type": "message", "role": "assistant", "model": call.model}


def blocks(completion: Completion, call: ModelCall) -> Iterator[_Fields]:
    """A content block for each part that says something: the API takes no empty ones back from an agent."""
    uses = 0
    for part in completion.parts:
        match part:
            case ToolUse():
                # Agents match results by the id, so each use has one of its own, the same in every reply to the call.
                yield _tool_use(part, part.id or f"toolu_{call.index}_{uses}")
                uses += 1
            case Thinking(redacted=True):
                yield {"type": "redacted_thinking", "data": part.signature or ""}
            case Thinking() if part.text or part.signature:
                yield {"type": "thinking", "thinking": part.text, "signature": part.signature or UNSIGNED}
            case Text() if part.text:
                yield {"type": "text", "text": part.text}
            case _:
                pass


def stop(completion: Completion, call: ModelCall) -> _Fields:
    """Why the answer ended."""
    reason = told(completion)
    # Some servers give a reason of their own there, which the agent has not asked to be told.
    if reason == "stop" and completion.stop_sequence in call.sampling.stop:
        return _stopped("stop_sequence", completion.stop_sequence)
    return _stopped(_STOP_REASONS[reason])


def usage_of(usage: Usage) -> dict[str, int]:
    """Token counts. Those read from a cache are not among the input tokens here."""
    return {
        "input_tokens": max(0, usage.prompt_tokens - usage.cached_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def error(refusal: Refusal, kind: str | None = None) -> bytes:
    """The body of an error response, and the data of an error event, where ``kind`` may say more than the status."""
    kind = kind or _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": refusal.message}})


def count(call: ModelCall) -> bytes:
    """About how many tokens a request has."""
    return msgspec.json.encode({"input_tokens": tokens.estimate(call)})


def models(name: str) -> bytes:
    """The list of models: the one there is."""
    return msgspec.json.encode({"data": [_model(name)], "has_more": False, "first_id": name, "last_id": name})


def model(name: str) -> bytes:
    """The description of the one model there is."""
    return msgspec.json.encode(_model(name))


def _stopped(reason: str, sequence: str | None = None) -> _Fields:
    return {**NOT_STOPPED, "stop_reason": reason, "stop_sequence": sequence}


def _model(name: str) -> _Fields:
    return {"type": "model", "id": name, "display_name": name, "created_at": _EPOCH, "lifecycle": "active"}


def _tool_use(use: ToolUse, id: str) -> _Fields:
    return {"type": "tool_use", "id": id, "name": use.name, "input": arguments.as_object(use.arguments)}
