"""OpenAI chat completions: what an upstream answers, with the exact tokens where it offers them.

vLLM, asked for ``logprobs`` and ``return_token_ids``, puts ``prompt_token_ids`` at the root, ``token_ids`` and
``logprobs.content[].logprob`` into the choice, and there ``stop_reason``, the stop text it came to, if that is why it
stopped. ``weight_version``, where a trainer's server stamps it, is at the root, and which experts the tokens of a
mixture went through is in the choice: ``routing_matrices`` or ``routed_experts``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from greenroom.interception.dialects import value
from greenroom.interception.errors import DialectError
from greenroom.messages import Completion, FinishReason, Text, Thinking, ToolUse, Usage

_Fields = dict[str, Any]

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_ROUTING = ("routing_matrices", "routed_experts")
_KNOWN = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls"})
_KNOWN_OF_CALLS = frozenset({"id", "type", "index", "function"})


def decode(body: bytes) -> Completion:
    """Read a chat completion.

    Raises:
        DialectError: It is none, or its tokens and log-probabilities do not belong together.
    """
    try:
        fields = value.as_object(msgspec.json.decode(body), "")
    except (ValueError, RecursionError):
        value.fail("", "valid JSON in UTF-8")
    choices = value.as_list(fields.get("choices"), "choices")
    if not choices:
        value.fail("choices", "at least one choice")
    choice = value.as_object(choices[0], "choices[0]")
    message = value.as_object(choice.get("message"), "choices[0].message")
    token_ids, logprobs = _tokens(choice)
    return Completion(
        parts=tuple(_parts(message)),
        finish_reason=_FINISH.get(str(choice.get("finish_reason")), "stop"),
        stop_sequence=_stop_sequence(choice.get("stop_reason")),
        usage=_usage(fields.get("usage")),
        prompt_token_ids=_ids(fields.get("prompt_token_ids"), "prompt_token_ids"),
        completion_token_ids=token_ids,
        logprobs=logprobs,
        weight_version=_version(fields.get("weight_version")),
        routing=_routing(choice, fields),
        extra=_extra(message),
    )


def _parts(message: _Fields) -> Iterator[Text | Thinking | ToolUse]:
    where = "choices[0].message"
    if thinking := message.get("reasoning_content") or message.get("reasoning"):
        yield Thinking(value.as_text(thinking, f"{where}.reasoning_content"))
    if text := value.optional_text(message.get("content"), f"{where}.content"):
        yield Text(text)
    for at, item in enumerate(value.as_list(message.get("tool_calls"), f"{where}.tool_calls")):
        place = f"{where}.tool_calls[{at}]"
        call = value.as_object(item, place)
        function = value.as_object(call.get("function"), f"{place}.function")
        yield ToolUse(
            id=value.optional_text(call.get("id"), f"{place}.id") or "",
            name=value.as_text(function.get("name"), f"{place}.function.name"),
            arguments=value.optional_text(function.get("arguments"), f"{place}.function.arguments") or "",
        )


def _tokens(choice: _Fields) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    ids = _ids(choice.get("token_ids"), "choices[0].token_ids")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise DialectError(f"choices[0]: {len(ids)} token ids but {len(logprobs)} log-probabilities")
    return ids, logprobs


def _ids(ids: object, where: str) -> tuple[int, ...] | None:
    if ids is None:
        return None
    try:
        return msgspec.convert(ids, tuple[int, ...])
    except msgspec.ValidationError:
        value.fail(where, "integers")


def _logprobs(logprobs: object) -> tuple[float, ...] | None:
    content = None if logprobs is None else value.as_object(logprobs, "choices[0].logprobs").get("content")
    if content is None:
        return None
    where = "choices[0].logprobs.content"
    return tuple(_logprob(item, where) for item in value.as_list(content, where))


def _logprob(item: object, where: str) -> float:
    number = value.optional_number(value.as_object(item, where).get("logprob"), where)
    if number is None or not math.isfinite(number):
        value.fail(where, "finite numbers")
    return number


def _stop_sequence(reason: object) -> str | None:
    # A number is the id of a token that ends every answer.
    return reason if isinstance(reason, str) else None


def _usage(usage: object) -> Usage:
    if usage is None:
        return Usage()
    fields = value.as_object(usage, "usage")
    details = value.as_object(fields.get("prompt_tokens_details") or {}, "usage.prompt_tokens_details")
    return Usage(
        prompt_tokens=_count(fields, "prompt_tokens", "usage"),
        completion_tokens=_count(fields, "completion_tokens", "usage"),
        cached_tokens=_count(details, "cached_tokens", "usage.prompt_tokens_details"),
    )


def _count(fields: _Fields, name: str, where: str) -> int:
    return value.optional_integer(fields.get(name), f"{where}.{name}") or 0


def _routing(choice: _Fields, fields: _Fields) -> object:
    found = (where.get(name) for where in (choice, fields) for name in _ROUTING)
    return next((routing for routing in found if routing), None)


def _extra(message: _Fields) -> _Fields:
    """What the message has beyond our words; names that say nothing are left out."""
    more = {name: item for name, item in message.items() if name not in _KNOWN and item not in (None, "", [], {})}
    uses = {call.get("id"): left for call in message.get("tool_calls") or () if (left := _beyond(call))}
    found = {"message": more, "tool_calls": {id: left for id, left in uses.items() if id}}
    return {name: item for name, item in found.items() if item}


def _beyond(call: _Fields) -> _Fields:
    function = {name: item for name, item in call["function"].items() if name not in ("name", "arguments")}
    left = {name: item for name, item in call.items() if name not in _KNOWN_OF_CALLS}
    return {**left, "function": function} if function else left


def _version(version: object) -> str | None:
    return None if version is None else str(version)
