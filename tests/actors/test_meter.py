from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.meter import Meter, Times

BEGAN = 1000.0
LONG = 1e9
POINTS = st.integers(min_value=0, max_value=400).map(lambda quarter: quarter / 4)
SPANS = st.lists(st.tuples(POINTS, POINTS).map(lambda pair: (min(pair), max(pair))), max_size=12)
LIMITS = st.integers(min_value=1, max_value=400).map(lambda quarter: quarter / 4)
WAITS = st.integers(min_value=0, max_value=400).map(lambda quarter: quarter / 4)


def a_meter(limit: float = LONG, ends: float = LONG, wait: float = LONG, left: float | None = None) -> Meter:
    """One that began at `BEGAN`."""
    return Meter(began=BEGAN, limit=limit, ends=BEGAN + ends, wait=wait, left=wait if left is None else left)


def played(meter: Meter, spans: list[tuple[float, float]]) -> Meter:
    """Told of calls that are held over these spans, in the order of time."""
    events = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans], key=lambda event: event[0])
    for at, step in events:
        meter.hold(BEGAN + at) if step > 0 else meter.free(BEGAN + at)
    return meter


def covered(spans: list[tuple[float, float]], until: float) -> float:
    """How long at least one of these spans lasts, until then: counted in quarters of a second."""
    quarters = {quarter for start, end in spans for quarter in range(int(start * 4), int(min(end, until) * 4))}
    return len(quarters) / 4


# A free that comes before its hold in the list is of a span without length, which the meter never sees.
REAL = SPANS.map(lambda spans: [(start, end) for start, end in spans if end > start])


@given(REAL, POINTS)
def test_the_two_times_add_up(spans: list[tuple[float, float]], end: float) -> None:
    """Whatever calls overlap, the agent's own time and its model's are together all the time there was."""
    meter = played(a_meter(), [(start, min(stop, end)) for start, stop in spans if start < end])
    meter.stop(BEGAN + end)
    times = meter.read(BEGAN + end + 50)
    assert times.own + times.model == end
    assert times.model == covered(spans, end)
    assert min(times.own, times.model, times.idle, times.silence) >= 0


@given(REAL, LIMITS, LIMITS, WAITS, WAITS)
def test_no_agent_has_more_than_its_limit_its_models_wait_and_its_deadline(
    spans: list[tuple[float, float]], limit: float, ends: float, wait: float, used: float
) -> None:
    """An agent is ended when it has had its limit, without the waits that are excused, or at the deadline."""
    left = max(0.0, wait - used)
    meter = played(a_meter(limit, ends, wait, left), spans)
    had = meter.due - BEGAN
    times = meter.read(LONG)
    assert had <= min(ends, limit + left)
    assert times.own + times.model == had
    assert times.excused == min(times.model, left)
    assert had == ends or times.counted == limit
    assert 0 <= times.denied <= min(times.model, wait - left)


@given(REAL, LIMITS)
def test_the_end_is_never_moved_back(spans: list[tuple[float, float]], limit: float) -> None:
    """The moment in which the time will be up never comes closer than it would be without any wait."""
    meter = played(a_meter(limit, wait=100), spans)
    assert meter.due >= BEGAN + limit


def test_the_clock_stands_still_while_a_call_is_held() -> None:
    """The end moves with every wait, up to all that the model's side may take."""
    meter = a_meter(limit=10, wait=30)
    assert meter.due == BEGAN + 10
    meter.hold(BEGAN + 4)
    assert meter.due == BEGAN + 40
    meter.hold(BEGAN + 5)
    meter.free(BEGAN + 6)
    assert meter.due == BEGAN + 40
    meter.free(BEGAN + 9)
    assert meter.due == BEGAN + 15
    assert meter.read(BEGAN + 12) == Times(own=7, model=5, excused=5, silence=5, idle=7)


def test_what_comes_when_the_time_is_up_comes_too_late() -> None:
    """A hold, an answer or an end in that very moment, or after it, changes nothing."""
    meter = a_meter(limit=10, wait=5)
    meter.hold(BEGAN + 2)
    due = meter.due
    assert due == BEGAN + 15
    for late in (meter.answer, meter.free, meter.hold, meter.stop):
        late(due)
    times = meter.read(due + 100)
    assert (times.own, times.model, times.held, times.silence, times.silent) == (2, 13, True, 13, True)


def test_silence_is_what_came_after_the_last_answer() -> None:
    """Calls that are left without an answer add up; an answer, even one that nobody waits for, ends the silence."""
    meter = a_meter(wait=30)
    meter.hold(BEGAN + 1)
    meter.free(BEGAN + 11)
    meter.hold(BEGAN + 12)
    meter.free(BEGAN + 22)
    assert (meter.read(BEGAN + 25).silence, meter.read(BEGAN + 25).silent) == (20, False)
    meter.answer(BEGAN + 25)
    times = meter.read(BEGAN + 27)
    assert (times.silence, times.longest, times.idle) == (0, 20, 2)


@pytest.mark.parametrize(
    ("wait", "left", "silence", "silent"),
    [
        (30, 30, 29, False),
        (30, 30, 30, True),
        (30, 10, 10, True),
        (30, 0, 29, False),
        (30, 0, 30, True),
        (0, 0, 99, False),
    ],
)
def test_silence_has_a_limit(wait: float, left: float, silence: float, silent: bool) -> None:  # noqa: FBT001
    """It is what was left of the wait when the silence began, and all of the wait where nothing was left."""
    meter = a_meter(wait=wait, left=left)
    meter.hold(BEGAN)
    assert meter.read(BEGAN + silence).silent is silent


def test_what_earlier_attempts_have_used_up_is_named() -> None:
    """Time that would not have counted in a first attempt, and counts now, is known."""
    meter = a_meter(limit=100, wait=30, left=10)
    meter.hold(BEGAN)
    meter.free(BEGAN + 25)
    times = meter.read(BEGAN + 50)
    assert (times.excused, times.denied, times.counted) == (10, 15, 40)
