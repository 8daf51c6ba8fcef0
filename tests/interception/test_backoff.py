"""How long a server asks to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.backoff import asked_wait

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": "120"}, 120.0),
        ({"Retry-After": "86400"}, 3600.0),
        ({"Retry-After": "Thu, 01 Jan 2026 00:10:00 GMT"}, 600.0),
        ({"Retry-After": "Thu, 01 Jan 2099 00:00:00 GMT"}, 3600.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"Retry-After-Ms": "1500", "Retry-After": "60"}, 1.5),
        ({"retry-after-ms": "soon", "Retry-After": "60"}, 60.0),
        ({"retry-after-ms": "1e400"}, 3600.0),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"Retry-After": "9" * 5000}, 3600.0),
        ({"Retry-After": "Thu, 32 Foo 99999999999 99:99:99 GMT"}, None),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:00 +99999999"}, None),
        ({"Retry-After": "a while"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": ""}, None),
    ],
)
def test_what_is_asked(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds and dates are understood, bounded by an hour, and ignored when they make no sense."""
    assert asked_wait(headers, NOW) == seconds


@given(value=st.text(max_size=40) | st.integers().map(str) | st.floats().map(str))
def test_hostile_values(value: str) -> None:
    """Whatever the headers hold, the wait is none, or one from zero to an hour."""
    for headers in ({"retry-after": value}, {"retry-after-ms": value}):
        seconds = asked_wait(headers, NOW)
        assert seconds is None or 0.0 <= seconds <= 3600.0
