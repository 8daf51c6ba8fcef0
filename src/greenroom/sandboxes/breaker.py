"""A circuit breaker: what has failed again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, Literal, TypeVar

from msgspec import Struct

E = TypeVar("E")

State = Literal["closed", "open", "half_open"]


class Circuit(Struct, Generic[E], kw_only=True):
    """What is known of one key that has failed last time."""

    failures: int
    """In a row."""
    error: E
    """The last one."""
    rests: int
    """How often it has been opened in a row."""
    shut_until: float
    """When it may be tried again, once it is open."""


class Breaker(Generic[E]):
    """Counts failures in a row by key.

    Enough of them open the circuit for its rest. Then it is half-open: a success closes it, and one more failure opens
    it again, for twice as long as before, up to the longest rest.

    Args:
        limit: Failures in a row that open the circuit.
        rest: Seconds it stays open at first.
        clock: Gives seconds.
        longest: The longest rest; by default as long as the first.
    """

    def __init__(
        self, limit: int, rest: float, clock: Callable[[], float] = time.monotonic, *, longest: float | None = None
    ) -> None:
        self.limit = limit
        self._rest = rest
        self._clock = clock
        self._longest = rest if longest is None else longest
        self._troubled: dict[Hashable, Circuit[E]] = {}
        self._proved: set[Hashable] = set()

    def open(self, key: Hashable) -> E | None:
        """The last failure if there is no sense in trying now."""
        circuit = self._troubled.get(key)
        return circuit.error if circuit is not None and self._state(circuit) == "open" else None

    def state(self, key: Hashable) -> State:
        """Whether it may be tried."""
        circuit = self._troubled.get(key)
        return "closed" if circuit is None else self._state(circuit)

    def ready(self, key: Hashable, trying: int) -> bool:
        """Whether it makes sense to try now, beside as many tries as are under way.

        What has never succeeded, or failed last time, gets no more tries at once than may still fail before it opens.
        A half-open circuit gets one.
        """
        circuit = self._troubled.get(key)
        if circuit is None:
            return key in self._proved or trying < self.limit
        match self._state(circuit):
            case "closed":
                return circuit.failures + trying < self.limit
            case "half_open":
                return trying == 0
            case "open":
                return False

    def failed(self, key: Hashable, error: E) -> None:
        """It was tried in vain."""
        circuit = self._troubled.get(key)
        if circuit is None:
            circuit = self._troubled[key] = Circuit(failures=0, error=error, rests=0, shut_until=0.0)
        was = self._state(circuit)
        circuit.failures += 1
        circuit.error = error
        if circuit.failures >= self.limit and was != "open":
            circuit.shut_until = self._clock() + min(self._longest, self._rest * 2.0**circuit.rests)
            circuit.rests += 1

    def succeeded(self, key: Hashable) -> None:
        """It is well again."""
        self._troubled.pop(key, None)
        self._proved.add(key)

    def reset(self) -> None:
        """Forget all failures."""
        self._troubled.clear()

    def wait(self, key: Hashable) -> float:
        """Seconds until an open circuit may be tried again; 0 for others."""
        circuit = self._troubled.get(key)
        return max(0.0, circuit.shut_until - self._clock()) if circuit is not None else 0.0

    @property
    def troubled(self) -> dict[Hashable, Circuit[E]]:
        """All that failed last time."""
        return self._troubled

    def _state(self, circuit: Circuit[E]) -> State:
        if circuit.failures < self.limit:
            return "closed"
        return "open" if self._clock() < circuit.shut_until else "half_open"
