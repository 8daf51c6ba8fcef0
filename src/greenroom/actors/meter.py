"""Whose the time between an agent's start and its end is: its own, or its model's. Pure: the time is handed in."""

from __future__ import annotations

from msgspec import Struct


class Times(Struct, frozen=True, kw_only=True):
    """An agent's time, at one moment. Durations are seconds; ``own`` and ``model`` add up to all of it."""

    own: float = 0.0
    """No call of the agent was with the model's side."""
    model: float = 0.0
    """At least one was, however many."""
    excused: float = 0.0
    """Of the model's time, what did not count towards the agent's limit."""
    denied: float = 0.0
    """Of the model's time, what would not have counted if earlier attempts had not used up the rollout's wait."""
    silence: float = 0.0
    """Of the model's time, what came after its last answer, or after the start if it never gave one."""
    longest: float = 0.0
    """The longest such silence that an answer ended."""
    idle: float = 0.0
    """Of the agent's own time, what came after the model's last answer."""
    held: bool = False
    """The model's side has a call of the agent."""
    silent: bool = False
    """The model's side has been silent for longer than it may be."""

    @property
    def counted(self) -> float:
        """What counts towards the agent's limit."""
        return self.own + self.model - self.excused


class Meter:
    """Measures the time of one agent.

    Args:
        began: When the agent was started.
        limit: Seconds of its own that it has.
        ends: When it is ended at the latest, whatever its model does.
        wait: Seconds for which the model's side may hold calls in the whole rollout before they count as the agent's.
        left: What earlier attempts have left of ``wait``.
    """

    def __init__(self, *, began: float, limit: float, ends: float, wait: float, left: float) -> None:
        self.limit = limit
        self._began = began
        self._ends = ends
        self._wait = wait
        self._left = left
        self._open = 0
        self._since = began
        self._model = 0.0
        """Without the time since ``_since`` while calls are open."""
        self._longest = 0.0
        self._heard = began
        self._heard_model = 0.0
        self._heard_left = left
        self._over: float | None = None

    @property
    def due(self) -> float:
        """When the agent's time is up, if nothing changes until then."""
        more = self._left if self._open else min(self._left, self._model)
        return min(self._ends, self._began + self.limit + more)

    def hold(self, at: float) -> None:
        """The model's side has one call more."""
        if self._counts(at):
            self._since = self._since if self._open else at
            self._open += 1

    def free(self, at: float) -> None:
        """The model's side has one call less."""
        if self._counts(at) and self._open:
            self._open -= 1
            self._model += 0.0 if self._open else at - self._since

    def answer(self, at: float) -> None:
        """The model's side has said something."""
        if self._counts(at):
            model = self._model_at(at)
            self._longest = max(self._longest, model - self._heard_model)
            self._heard, self._heard_model = at, model
            self._heard_left = max(0.0, self._left - model)

    def stop(self, at: float) -> None:
        """The agent has ended. Idempotent; what comes later does not count."""
        if self._over is None:
            self._over = min(at, self.due)

    def read(self, at: float) -> Times:
        """All of it."""
        at = min(at, self.due) if self._over is None else self._over
        model = self._model_at(at)
        excused = min(model, self._left)
        silence = model - self._heard_model
        bearable = self._heard_left or self._wait
        return Times(
            own=at - self._began - model,
            model=model,
            excused=excused,
            denied=min(model - excused, self._wait - self._left),
            silence=silence,
            longest=self._longest,
            idle=at - self._heard - silence,
            held=self._open > 0,
            silent=0.0 < bearable <= silence,
        )

    def _counts(self, at: float) -> bool:
        """Whether the agent's time goes on; what happens in the moment it is up comes too late."""
        if self._over is None and at >= self.due:
            self._over = self.due
        return self._over is None

    def _model_at(self, at: float) -> float:
        return self._model + (at - self._since if self._open else 0.0)
