"""OpenAI Responses: replies to an agent, in one piece, and the frame a streamed one has.

Token ids and log-probabilities never leave this way: they are for whoever owns the model.
"""

from __future__ import annotations

from typing import Any

import msgspec

from greenroom.interception.dialects import tokens
from greenroom.interception.dialects.responses_items import items
from greenroom.interception.errors import Refusal
from greenroom.messages import Completion, FinishReason, ModelCall, Usage

_Fields = dict[str, Any]

_REASONS: dict[FinishReason, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


def encode(completion: Completion, call: ModelCall) -> bytes:
    """The reply in one piece."""
    return msgspec.json.encode(finished(completion, call))


def finished(completion: Completion, call: ModelCall) -> _Fields:
    """The response: ``completed``, or ``incomplete`` when the answer was cut short."""
    reason = _REASONS.get(completion.finish_reason)
    return {
        **response(call, "incomplete" if reason else "completed"),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items(completion, call),
        "usage": _usage(completion.usage),
    }


def failed(refusal: Refusal, call: ModelCall) -> _Fields:
    """The response there is no answer for. By the code, codex tells a lasting failure from a passing one."""
    code = "server_error" if refusal.retryable else "invalid_prompt"
    return {**response(call, "failed"), "error": {"code": code, "message": refusal.message}}


def count(call: ModelCall) -> bytes:
    """About how many tokens a request has."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens.estimate(call)})


def response(call: ModelCall, status: str) -> _Fields:
    """A response without an answer."""
    return {
        "id": f"resp_{call.id}",
        "object": "response",
        "created_at": 0,  # the dialect has no clock, and no client looks at the time
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": call.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": call.extra.get("previous_response_id"),
        "store": False,
        "temperature": call.sampling.temperature,
        "tool_choice": "auto",
        "tools": [],
        "top_p": call.sampling.top_p,
        "max_output_tokens": call.sampling.max_tokens,
        "usage": None,
    }


def _usage(usage: Usage) -> _Fields:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
