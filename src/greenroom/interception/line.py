"""A line several parties wait in: first come, first served, but nobody twice before everybody once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairLine(Generic[Item]):
    """Items of several owners. Owners take turns in the order in which they first came; each one's items stay in order.

    All operations take constant time per item.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[int, Item]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, owner: str, item: Item) -> None:
        """Put ``item`` at the end of what ``owner`` has in line."""
        self._owners.setdefault(owner, OrderedDict())[id(item)] = item
        self._size += 1

    def remove(self, owner: str, item: Item) -> bool:
        """Take ``item`` out. False when it is not in line."""
        items = self._owners.get(owner)
        if items is None or items.pop(id(item), None) is None:
            return False
        self._size -= 1
        if not items:
            del self._owners[owner]
        return True

    def take(self, count: int) -> list[Item]:
        """At most ``count`` items from the front."""
        return [self._next() for _ in range(min(count, self._size))]

    def _next(self) -> Item:
        owner, items = self._owners.popitem(last=False)
        _, item = items.popitem(last=False)
        self._size -= 1
        if items:
            self._owners[owner] = items
        return item
