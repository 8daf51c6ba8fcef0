"""When the model's side holds a call of an agent, and when it does not: for whoever counts the agent's own time."""

from __future__ import annotations

from typing import Protocol


class Timekeeper(Protocol):
    """Told, on the event loop and at the moment itself, what the model's side does with an agent's calls."""

    def held(self) -> None:
        """It holds one call more."""
        ...

    def freed(self) -> None:
        """It holds one call less, for whatever reason."""
        ...

    def answered(self) -> None:
        """It has said something: an answer, or a piece of one."""
        ...


class Untimed:
    """Does not care."""

    def held(self) -> None:
        """Nothing."""

    def freed(self) -> None:
        """Nothing."""

    def answered(self) -> None:
        """Nothing."""


class Hold:
    """One call. It is held while the model's side has it and somebody waits for the answer.

    What is not held: a call that waits for its turn among too many of the same agent, an answer that is there and is
    read slowly, and a call whose agent has hung up, unless it comes back for the answer.
    """

    __slots__ = ("_asked", "_held", "_timekeeper", "_wanted")

    def __init__(self, timekeeper: Timekeeper) -> None:
        self._timekeeper = timekeeper
        self._asked = False
        self._wanted = True
        self._held = False

    def asked(self) -> None:
        """The model's side has it from now on."""
        self._asked = True
        self._settle()

    def wanted(self, *, wanted: bool) -> None:
        """Whether anybody waits for the answer."""
        self._wanted = wanted
        self._settle()

    def answered(self) -> None:
        """The model's side has said something, and may have more to say."""
        if self._asked:
            self._timekeeper.answered()

    def over(self) -> None:
        """The model's side has it no longer. Idempotent."""
        self._asked = False
        self._settle()

    def _settle(self) -> None:
        held = self._asked and self._wanted
        if held and not self._held:
            self._timekeeper.held()
        if self._held and not held:
            self._timekeeper.freed()
        self._held = held
