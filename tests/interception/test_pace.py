"""The pace: a steady rate and a burst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.pace import Pace


def test_a_burst_then_the_rate() -> None:
    """After a rest so many come through at once, and then one each interval."""
    pace = Pace(10, 3)
    assert [pace.wait(100.0) for _ in range(6)] == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])
    assert pace.wait(200.0) == 0


def test_large_ones_count_for_more() -> None:
    """What takes several units makes the next one wait as several would."""
    pace = Pace(1, 1)
    assert [pace.wait(0.0, 10), pace.wait(0.0)] == [9, 10]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 20)), max_size=60))
def test_the_rate_is_kept(steps: list[tuple[float, float]]) -> None:
    """Whoever waits as told, never gets more than the burst and what time has given."""
    pace, now, taken = Pace(5, 7), 0.0, 0.0
    for rest, units in steps:
        now += rest
        now += pace.wait(now, units)
        taken += units
        assert taken <= 7 + 5 * now + 1e-6
