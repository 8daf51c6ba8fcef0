"""What `Engine.run` returns: outcomes in the order in which rollouts end."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from greenroom.actors.run import Abandon, Drain, Next
from greenroom.kernel import CallError, Ref
from greenroom.messages import Outcome


class EngineError(RuntimeError):
    """The engine cannot do what it was asked; the text says why."""


class OutcomeStream:
    """An async iterator of outcomes, exactly one per task and sample.

    Rollouts start with the first step of the iteration. Leaving the loop early cancels those that run: their outcomes
    are kept in the store, not announced. ``aclose`` does so and waits for it.
    """

    def __init__(self, start: Callable[[], Awaitable[Ref]], why: Callable[[], Awaitable[str]]) -> None:
        self._start = start
        self._why = why
        self._run: Ref | None = None
        self._received = 0
        self._busy = False
        self._over = False
        self._thread = threading.get_ident()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """The next outcome.

        Raises:
            StopAsyncIteration: There are no more.
            EngineError: The engine is not open, or has failed.
            Exception: Whatever the iterator of tasks raised, after all outcomes of the tasks before.
        """
        if self._busy:
            raise EngineError("two tasks iterate over the same outcomes; give each its own engine.run")
        if self._over:
            raise StopAsyncIteration
        self._busy = True
        try:
            outcome = await self._next()
        finally:
            self._busy = False
        if outcome is None:
            await self.aclose()
            raise StopAsyncIteration
        self._received += 1
        return outcome

    async def aclose(self) -> None:
        """Cancel what runs, and wait until every outcome is in the store. Idempotent."""
        self._over = True
        run, self._run = self._run, None
        if run is None:
            return
        run.cast(Abandon())
        with suppress(CallError):  # it has ended, so there is nothing to wait for
            await run.call(Drain(), timeout=math.inf)

    def __del__(self) -> None:
        # A loop that was left by break or by an exception drops its iterator and tells nobody else. Garbage that is
        # collected by another thread must not touch the event loop; leaving the engine ends such a run.
        if self._run is not None and threading.get_ident() == self._thread:
            self._run.cast(Abandon())

    async def _next(self) -> Outcome | None:
        if self._run is None:
            self._run = await self._start()
        try:
            return await self._run.call(Next(self._received), timeout=math.inf)
        except CallError as error:
            self._over = True
            raise EngineError(await self._why()) from error
        except Exception:
            await self.aclose()
            raise
