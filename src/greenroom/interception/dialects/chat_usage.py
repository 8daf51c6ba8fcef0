"""OpenAI chat completions: the counts of tokens, as far as a server gives any.

An answer is worth more than its counts: what cannot be read of them is as if it were not there.
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.messages import Usage

_Fields = dict[str, Any]

_MOST = 2**63


def read(fields: _Fields, choice: _Fields) -> Usage:
    """The usage of a completion; Moonshot has it in the choice."""
    found = fields.get("usage") or choice.get("usage")
    usage = cast("_Fields", found) if isinstance(found, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = _count(cast("_Fields", details) if isinstance(details, dict) else {}, "cached_tokens")
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    said = _count(usage, "completion_tokens", "output_tokens")
    total = _count(usage, "total_tokens")
    return Usage(
        prompt_tokens=prompt or max(0, total - said),
        completion_tokens=said or (max(0, total - prompt) if prompt else 0),
        cached_tokens=cached or _count(usage, "cached_tokens", "prompt_cache_hit_tokens"),
    )


def _count(usage: _Fields, *names: str) -> int:
    for name in names:
        number = usage.get(name)
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < _MOST:
            return int(number)
    return 0
