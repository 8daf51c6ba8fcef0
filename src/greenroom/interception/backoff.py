"""How long to wait before trying again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST = 0.5
_CEILING = 20.0
_LONGEST_ASKED = 60.0


def backoff(attempt: int, first: float = _FIRST) -> float:
    """Seconds after failed try number ``attempt`` (from 1): doubling up to a ceiling, anywhere in its upper half.

    The jitter keeps a thousand rollouts that failed together from coming back together.
    """
    longest = min(_CEILING, first * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load, not keeping secrets


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), at most a minute; ``None`` without one."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, now or datetime.now(UTC))
    return min(max(0.0, seconds), _LONGEST_ASKED) if seconds == seconds else None  # noqa: PLR0124 - not a number


def _until(value: str, now: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - now).total_seconds()), _LONGEST_ASKED)
