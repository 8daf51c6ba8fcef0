"""The agent's clock: ends the agent when its time is up, and stands still while its model's side holds a call."""

from __future__ import annotations

import anyio

from greenroom.actors.meter import Meter, Times


class Clock:
    """Of one attempt. Its mailbox's route tells it of the model, its agent starts and stops it, its rollout reads it.

    It is never looked at again and again: whenever holding begins or ends, its one timer is set anew.

    Args:
        wait: Seconds for which the model's side may hold calls in the whole rollout before they count as the agent's.
        left: What earlier attempts have left of ``wait``.
    """

    def __init__(self, wait: float, left: float) -> None:
        self._wait = wait
        self._left = left
        self._meter: Meter | None = None
        self._scope: anyio.CancelScope | None = None
        self._early = 0
        """Calls that are with the model's side although the clock has not been started."""

    @property
    def limit(self) -> float | None:
        """Seconds of its own that the agent has; ``None`` before it is started."""
        return None if self._meter is None else self._meter.limit

    @property
    def times(self) -> Times:
        """The agent's time until now, or until its end."""
        return Times() if self._meter is None else self._meter.read(anyio.current_time())

    def start(self, limit: float, ends: float) -> anyio.CancelScope:
        """The agent runs from now on; what is returned is cancelled when its time is up.

        Args:
            limit: Seconds of its own that it has.
            ends: When it is ended at the latest, on the event loop's clock.
        """
        now = anyio.current_time()
        meter = Meter(began=now, limit=limit, ends=ends, wait=self._wait, left=self._left)
        for _ in range(self._early):
            meter.hold(now)
        self._meter, self._scope = meter, anyio.CancelScope(deadline=meter.due)
        return self._scope

    def stop(self) -> Times:
        """The agent has ended. Idempotent."""
        if self._meter is not None:
            self._meter.stop(anyio.current_time())
        self._scope = None
        return self.times

    def held(self) -> None:
        """The model's side holds one call more."""
        if self._meter is None:
            self._early += 1
            return
        self._meter.hold(anyio.current_time())
        self._set()

    def freed(self) -> None:
        """The model's side holds one call less."""
        if self._meter is None:
            self._early -= 1
            return
        self._meter.free(anyio.current_time())
        self._set()

    def answered(self) -> None:
        """The model's side has said something."""
        if self._meter is not None:
            self._meter.answer(anyio.current_time())

    def _set(self) -> None:
        if self._scope is not None and self._meter is not None:
            self._scope.deadline = self._meter.due
