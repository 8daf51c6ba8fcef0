"""Chance, seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """All that is random in the making of a plan comes from here."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - no secret
        self._seconds = self.one((2, 5, 20))

    def one(self, choices: Sequence[T]) -> T:
        """One of them; what is there several times is likelier."""
        return self._random.choice(choices)

    def weighted(self, choices: Mapping[T, int]) -> T:
        """One of the keys, each as likely as its number says."""
        return self._random.choices(list(choices), list(choices.values()))[0]

    def chance(self, share: float) -> bool:
        """True so often."""
        return self._random.random() < share

    def number(self, least: int, most: int) -> int:
        """A number, both ends included."""
        return self._random.randint(least, most)

    def moment(self) -> float:
        """When something happens. There are few moments, so that much happens at once; in the first, all begins."""
        return self.number(0 if self.chance(0.1) else 1, 2 * self._seconds) / 2
