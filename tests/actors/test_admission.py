from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.admission import Reading, Turns, Wish, closed, has_room, limit_of
from greenroom.actors.machine import read
from greenroom.specs.limits import Bounds

KEYS = ("backend:docker", "agent:codex", "image:python:3.12")


@pytest.mark.parametrize(
    ("bounds", "key", "limit"),
    [
        (Bounds(), "image:a", None),
        (Bounds(per_image=3), "image:a", 3),
        (Bounds(per_image=3, named={"image:a": 7}), "image:a", 7),
        (Bounds(per_image=3, named={"image:a": 7}), "image:b", 3),
        (Bounds(per_image=3), "agent:a", None),
        (Bounds(per_agent=2), "agent:a", 2),
        (Bounds(per_backend=9), "backend:docker", 9),
        (Bounds(named={"backend:docker": 1}), "backend:docker", 1),
    ],
)
def test_a_limit_of_its_own_goes_before_that_of_its_kind(bounds: Bounds, key: str, limit: int | None) -> None:
    """What is named has its own limit, and everything else that of its kind."""
    assert limit_of(key, bounds) == limit


@pytest.mark.parametrize(
    ("bounds", "taken", "room"),
    [
        (Bounds(), {}, True),
        (Bounds(per_image=2), {"image:python:3.12": 1}, True),
        (Bounds(per_image=2), {"image:python:3.12": 2}, False),
        (Bounds(per_image=2), {"image:other": 2}, True),
        (Bounds(per_image=2), {"image:python:3.12": 5}, False),
        (Bounds(per_agent=1, per_image=9), {"agent:codex": 1}, False),
        (Bounds(per_backend=1), {"backend:docker": 1}, False),
    ],
)
def test_every_limit_has_a_say(bounds: Bounds, taken: dict[str, int], room: bool) -> None:  # noqa: FBT001
    """A rollout begins if all that it uses has room, also where a limit was lowered below what runs."""
    assert has_room(KEYS, taken, bounds) is room


@pytest.mark.parametrize(
    ("bounds", "reading", "boot", "says"),
    [
        (Bounds(), Reading(), 0.0, ""),
        (Bounds(free_memory="1g"), Reading(free_memory=1 << 30), 0.0, ""),
        (Bounds(free_memory="1g"), Reading(free_memory=(1 << 30) - 1), 0.0, "1023 MiB of memory"),
        (Bounds(free_memory=None), Reading(free_memory=0), 0.0, ""),
        (Bounds(load=2.0), Reading(load=2.0), 0.0, ""),
        (Bounds(load=2.0), Reading(load=2.1), 0.0, "the load is 2.1"),
        (Bounds(), Reading(load=99.0), 0.0, ""),
        (Bounds(open_files=0.5), Reading(open_files=0.51), 0.0, "51% of the files"),
        (Bounds(open_files=0.5), Reading(open_files=0.5), 0.0, ""),
        (Bounds(boot=10.0), Reading(), 10.0, ""),
        (Bounds(boot=10.0), Reading(), 12.5, "12.5 s to boot"),
        (Bounds(free_memory="1g", load=1.0), Reading(), 99.0, ""),
    ],
)
def test_the_machine_may_say_no(bounds: Bounds, reading: Reading, boot: float, says: str) -> None:
    """Each reading is held against its limit, what cannot be read is not, and the reason is told."""
    assert says in closed(bounds, reading, boot)
    assert bool(says) == bool(closed(bounds, reading, boot))


def begun(wishes: list[Wish], count: int) -> list[object]:
    """Whose rollouts begin, one after the other, while all of these always want to."""
    turns, order = Turns(), list[object]()
    for _ in range(count):
        wish = turns.first(wishes, lambda _: True)
        assert wish is not None
        turns.took(wish)
        order.append(wish.run)
    return order


@pytest.mark.parametrize(
    ("wishes", "order"),
    [
        ([("a", 0, 1.0), ("b", 0, 1.0)], "abababab"),
        ([("a", 0, 3.0), ("b", 0, 1.0)], "aaabaaab"),
        ([("a", 0, 1.0), ("b", 1, 1.0)], "bbbbbbbb"),
        ([("a", 1, 1.0), ("b", 0, 9.0), ("c", 1, 1.0)], "acacacac"),
    ],
)
def test_whose_turn_it_is(wishes: list[tuple[str, int, float]], order: str) -> None:
    """The highest priority goes first, and within it runs take turns by weight."""
    found = begun([Wish(run, priority, weight, ()) for run, priority, weight in wishes], len(order))
    assert Counter(found) == Counter(order)


@given(st.lists(st.floats(min_value=0.1, max_value=10.0), min_size=2, max_size=5))
def test_shares_follow_the_weights(weights: list[float]) -> None:
    """Over time each run begins its share of all rollouts, give or take a few."""
    wishes = [Wish(number, 0, weight, ()) for number, weight in enumerate(weights)]
    count = Counter(begun(wishes, 400))
    for number, weight in enumerate(weights):
        assert abs(count[number] - 400 * weight / sum(weights)) <= len(weights) + 1


def test_who_asked_for_nothing_has_nothing_to_make_up_for() -> None:
    """A run that comes late takes turns with the others at once, and does not have all of them."""
    turns, early, late = Turns(), Wish("early", 0, 1.0, ()), Wish("late", 0, 1.0, ())
    for _ in range(100):
        turns.took(early)
    order: list[object] = []
    for _ in range(10):
        wish = turns.first([early, late], lambda _: True)
        assert wish is not None
        turns.took(wish)
        order.append(wish.run)
    assert Counter(order) == {"early": 5, "late": 5}


def test_who_may_not_begin_holds_up_nobody() -> None:
    """The first that may begins, though others would come before it."""
    wishes = [Wish("a", 5, 1.0, ()), Wish("b", 0, 1.0, ())]
    assert Turns().first(wishes, lambda wish: wish.run == "b") is wishes[1]
    assert Turns().first(wishes, lambda _: False) is None


@pytest.mark.real_time
def test_the_machine_can_be_read() -> None:
    """On Linux, memory, load and open files are known, and make sense."""
    reading = read()
    assert (reading.free_memory or 0) > 1 << 20
    assert (reading.load or 0) >= 0
    assert 0 < (reading.open_files or 0) < 1
