"""The garbage collector while engines are open."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from greenroom.engine.collector import calm_collector


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """As they were, whatever a test does."""
    found = gc.get_threshold()
    yield
    gc.set_threshold(*found)


def test_it_is_calm_until_the_last_engine_is_closed() -> None:
    """Engines that come and go in any order leave the collector as the first of them found it."""
    gc.set_threshold(700, 10, 10)
    one, two = calm_collector(), calm_collector()
    one.__enter__()
    assert gc.get_threshold() == (50_000, 20, 100)
    two.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold() == (50_000, 20, 100)
    two.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("found", [(100_000, 5, 200), (0, 10, 10)])
def test_who_has_calmed_it_already_is_not_overruled(found: tuple[int, int, int]) -> None:
    """Higher thresholds stay, and a collector that is off stays off."""
    gc.set_threshold(*found)
    with calm_collector():
        expected = found if not found[0] else (100_000, 20, 200)
        assert gc.get_threshold() == expected
    assert gc.get_threshold() == found
