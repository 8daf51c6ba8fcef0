"""Google: replies to an agent, in one piece.

Token ids and log-probabilities never leave this way: they are for whoever owns the model.
"""

from __future__ import annotations

from typing import Any

import msgspec

from greenroom.interception.dialects import arguments, tokens
from greenroom.interception.dialects.google_names import encoded
from greenroom.interception.dialects.google_request import wants_thoughts
from greenroom.interception.dialects.google_thoughts import carried
from greenroom.interception.dialects.turns import identified
from greenroom.interception.errors import Refusal
from greenroom.interception.finish import told
from greenroom.messages import Completion, FinishReason, ModelCall, Text, Thinking, ToolUse, Usage

_Fields = dict[str, Any]

_FINISH: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "unknown": "STOP",
}
_STATUSES = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


def encode(completion: Completion, call: ModelCall) -> bytes:
    """The reply in one piece."""
    return msgspec.json.encode(response(call, parts(completion, call), completion))


def response(call: ModelCall, parts: list[_Fields], completion: Completion | None = None) -> _Fields:
    """A response with ``parts``; the one that ends the answer is given it, for how it ended and what it took."""
    candidate: _Fields = {"content": {"parts": parts, "role": "model"}, "index": 0}
    fields: _Fields = {"candidates": [candidate], "modelVersion": call.model, "responseId": call.id}
    if completion is not None:
        candidate["finishReason"] = _FINISH[told(completion)]
        fields["usageMetadata"] = _usage(completion.usage)
    return fields


def parts(completion: Completion, call: ModelCall) -> list[_Fields]:
    """The parts that say something, reasoning among them if it was asked for, and an empty text when none does."""
    shown = wants_thoughts(call)
    done = [
        _part(part)
        for part in identified(completion, call)
        if isinstance(part, ToolUse) or (part.text and (shown or isinstance(part, Text)))
    ]
    thoughts = [part for part in completion.parts if isinstance(part, Thinking) and (part.text or part.signature)]
    first_call = next((part for part in done if "functionCall" in part), None)
    if thoughts and first_call is not None:
        first_call["thoughtSignature"] = carried(thoughts)
    return done or [{"text": ""}]


def error(refusal: Refusal) -> _Fields:
    """An error response."""
    status = _STATUSES.get(refusal.status, "INVALID_ARGUMENT")
    return {"error": {"code": int(refusal.status), "message": refusal.message, "status": status}}


def count(call: ModelCall) -> bytes:
    """About how many tokens a request has."""
    return msgspec.json.encode({"totalTokens": tokens.estimate(call)})


def models(name: str) -> bytes:
    """The list of models: the one there is."""
    return msgspec.json.encode({"models": [_model(name)]})


def model(name: str) -> bytes:
    """The description of the one model there is."""
    return msgspec.json.encode(_model(name))


def _part(part: Text | Thinking | ToolUse) -> _Fields:
    match part:
        case Text():
            return {"text": part.text}
        case Thinking():
            signature = {"thoughtSignature": encoded(part.signature)} if part.signature else {}
            return {"text": part.text, "thought": True, **signature}
        case ToolUse():
            args = arguments.as_object(part.arguments)
            return {"functionCall": {"id": part.id, "name": part.name, "args": args}}


def _model(name: str) -> _Fields:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "version": "1", "supportedGenerationMethods": methods}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens,
        "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
    }
