"""Chat completions: one object, or chunks whose deltas add up."""

from __future__ import annotations

from collections.abc import Iterator

from greenroom.interception.replies.fields import Fields, inner, items, last, number, text
from greenroom.messages import Completion, FinishReason, Text, Thinking, ToolUse, Usage

_FINISH: dict[str, FinishReason] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def read(pieces: list[Fields]) -> Completion:
    """The first choice."""
    choices = [choice for piece in pieces for choice in items(piece, "choices") if not choice.get("index")]
    messages = [inner(choice, "delta") or inner(choice, "message") for choice in choices]
    thinking = "".join(text(one, "reasoning_content") or text(one, "reasoning") for one in messages)
    said = "".join(text(one, "content") or text(one, "refusal") for one in messages)
    finish = [reason for choice in choices if (reason := text(choice, "finish_reason"))]
    parts = ((Thinking(thinking),) if thinking else ()) + ((Text(said),) if said else ())
    return Completion(
        parts=(*parts, *_uses(messages)),
        finish_reason=_FINISH.get(finish[-1], "stop") if finish else "stop",
        usage=_usage(pieces),
    )


def _uses(messages: list[Fields]) -> Iterator[ToolUse]:
    """Tool calls, put together by their index: only the first delta of each has its id and name."""
    calls: dict[int, list[Fields]] = {}
    for message in messages:
        for at, call in enumerate(items(message, "tool_calls")):
            calls.setdefault(number(call, "index") if "index" in call else at, []).append(call)
    for deltas in calls.values():
        functions = [inner(delta, "function") for delta in deltas]
        yield ToolUse(
            id="".join(text(delta, "id") for delta in deltas),
            name="".join(text(function, "name") for function in functions),
            arguments="".join(text(function, "arguments") for function in functions),
        )


def _usage(pieces: list[Fields]) -> Usage:
    usage = last(pieces, "usage")
    cached = number(inner(usage, "prompt_tokens_details"), "cached_tokens")
    return Usage(number(usage, "prompt_tokens"), number(usage, "completion_tokens"), cached)
