"""How long to wait before trying again."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST = 0.5
_CEILING = 20.0
_LONGEST_ASKED = 60.0
_LONGEST_BELIEVED = 3600.0
_ASKING = ("retry-after-ms", "retry-after")


def backoff(attempt: int, first: float = _FIRST) -> float:
    """Seconds after failed try number ``attempt`` (from 1): doubling up to a ceiling, anywhere in its upper half.

    The jitter keeps a thousand rollouts that failed together from coming back together.
    """
    longest = min(_CEILING, first * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load, not keeping secrets


def asked_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds a response asks to be left alone, at most an hour; ``None`` if it does not say.

    ``retry-after-ms``, at which the official SDKs look first, counts before ``Retry-After``. What makes no sense does
    not count.
    """
    named = {name.lower(): value for name, value in headers.items() if name.lower() in _ASKING}
    milliseconds = _number(named.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(max(0.0, milliseconds / 1000), _LONGEST_BELIEVED)
    return retry_after(named.get("retry-after"), now, _LONGEST_BELIEVED)


def retry_after(value: str | None, now: datetime | None = None, longest: float = _LONGEST_ASKED) -> float | None:
    """Seconds a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), at most ``longest``; ``None`` without."""
    if not value:
        return None
    seconds = _number(value)
    if seconds is None:
        return _until(value, now or datetime.now(UTC), longest)
    return min(max(0.0, seconds), longest)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _until(value: str, now: datetime, longest: float) -> float | None:
    try:
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return min(max(0.0, (when - now).total_seconds()), longest)
    except (ValueError, OverflowError, TypeError):  # what is no date fails in several ways
        return None
