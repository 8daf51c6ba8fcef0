from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.kernel import Backoff, Crashed, Exit, Killed, Normal, Shutdown, TimedOut
from greenroom.kernel._restart import AutoShutdown, Intensity, Restart, Strategy, affected, shuts_down, verdict

WANTED = [Normal(), Shutdown(), Shutdown("why")]
UNWANTED = [Killed(), TimedOut("start"), Crashed(ValueError())]


@pytest.mark.parametrize(
    ("restart", "wanted", "unwanted"),
    [
        ("permanent", "restart", "restart"),
        ("transient", "keep", "restart"),
        ("temporary", "forget", "forget"),
    ],
)
def test_what_becomes_of_a_child(restart: Restart, wanted: str, unwanted: str) -> None:
    """The table of OTP: by restart type, and by whether the end was wanted."""
    assert {verdict(restart, exit) for exit in WANTED} == {wanted}
    assert {verdict(restart, exit) for exit in UNWANTED} == {unwanted}


@pytest.mark.parametrize(
    ("strategy", "ids"),
    [("one_for_one", "c"), ("dynamic", "c"), ("rest_for_one", "cd"), ("one_for_all", "abcd")],
)
def test_whom_a_failure_takes_along(strategy: Strategy, ids: str) -> None:
    """Nobody, those started later, or all; in the order of the children, the failed one among them."""
    assert list(affected(strategy, list("abcd"), "c")) == list(ids)


@pytest.mark.parametrize(
    ("mode", "significant", "others", "ends"),
    [
        ("never", True, 0, False),
        ("any_significant", True, 3, True),
        ("any_significant", False, 0, False),
        ("all_significant", True, 1, False),
        ("all_significant", True, 0, True),
        ("all_significant", False, 0, False),
    ],
)
def test_when_a_significant_end_ends_the_supervisor(
    mode: AutoShutdown, significant: object, others: int, ends: object
) -> None:
    """Any of them, or the last of them; the others' ends never do."""
    assert shuts_down(mode, significant=bool(significant), others=others) is ends


@given(
    limit=st.integers(0, 5),
    period=st.integers(1, 10),
    gaps=st.lists(st.integers(0, 12), max_size=40),
)
def test_the_window_admits_as_many_restarts_as_it_says(limit: int, period: int, gaps: Sequence[int]) -> None:
    """A restart is one too many exactly when more than the limit, itself included, lie within the period before it."""
    window = Intensity(limit, period)
    times: list[int] = []
    for gap in gaps:
        times.append((times[-1] if times else 0) + gap)
        within = [time for time in times if time >= times[-1] - period]
        assert window.admit(times[-1]) is (len(within) <= limit)
        assert window.recent == len(within)


@given(restarts=st.integers(1, 10_000), jitter=st.floats(0, 1), seed=st.integers())
def test_backoff_stays_within_its_bounds(restarts: int, jitter: float, seed: int) -> None:
    """A wait is at most the limit, at least what the jitter leaves of the full one, and the same for the same seed."""
    backoff = Backoff(first=0.1, factor=2, limit=30, jitter=jitter)
    wait = backoff.delay(restarts, random.Random(seed))  # noqa: S311
    full = min(30.0, 0.1 * 2.0 ** min(restarts - 1, 64))
    assert full * (1 - jitter) <= wait <= full
    assert wait == backoff.delay(restarts, random.Random(seed))  # noqa: S311


def test_the_exits_that_are_abnormal() -> None:
    """Two ends are wanted; a transient child comes back after any other."""
    exits: list[Exit] = [*WANTED, *UNWANTED]
    assert [exit.abnormal for exit in exits] == [False] * 3 + [True] * 3
