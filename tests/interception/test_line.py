"""The fair line."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from greenroom.interception.line import FairLine


class Item:
    def __init__(self, owner: str) -> None:
        self.owner = owner


OWNERS = st.lists(st.sampled_from("abcd"), max_size=30)


@given(OWNERS, st.integers(1, 8))
def test_owners_take_turns(owners: list[str], count: int) -> None:
    """Nobody gets a second place in a batch before all who wait have one; each owner's items stay in order."""
    line: FairLine[Item] = FairLine()
    items = [Item(owner) for owner in owners]
    for item in items:
        line.add(item.owner, item)
    taken: list[Item] = []
    while batch := line.take(count):
        before = Counter(item.owner for item in items) - Counter(item.owner for item in taken)
        got = Counter(item.owner for item in batch)
        for owner in before:
            assert got[owner] >= min(before[owner], max(got.values()) - 1)
        taken += batch
    for owner in set(owners):
        assert [item for item in taken if item.owner == owner] == [item for item in items if item.owner == owner]
    assert len(taken) == len(items)
    assert len(line) == 0


@given(OWNERS, st.sets(st.integers(0, 29)))
def test_removed_items_are_gone(owners: list[str], gone: set[int]) -> None:
    """What was taken out is not handed out, and taking it out again does nothing."""
    line: FairLine[Item] = FairLine()
    items = [Item(owner) for owner in owners]
    for item in items:
        line.add(item.owner, item)
    removed = [item for number, item in enumerate(items) if number in gone]
    assert all(line.remove(item.owner, item) for item in removed)
    assert not any(line.remove(item.owner, item) for item in removed)
    assert set(line.take(100)) == set(items) - set(removed)
