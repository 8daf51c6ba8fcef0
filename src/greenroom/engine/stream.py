"""What `Engine.run` returns: outcomes in the order in which rollouts end."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Self

import anyio.to_thread
from msgspec import Struct

from greenroom.actors.estate import Estate
from greenroom.actors.run_requests import Abandon, Drain, Next, Stop
from greenroom.kernel import CallError, Ref
from greenroom.messages import Outcome


class EngineError(RuntimeError):
    """The engine cannot do what it was asked; the text says why."""


class EngineFailed(EngineError):
    """The engine, or a part of it, ended by itself; the text names the part and its last failure."""


class Started(Struct, frozen=True):
    """A run that has begun."""

    run: Ref
    kept: Iterator[Outcome] | None
    """What earlier starts of it have kept; ``None``: nothing is kept at all."""
    acknowledged: Mapping[str, int]


class OutcomeStream:
    """An async iterator of outcomes, exactly one per task and sample.

    Rollouts start with the first step of the iteration. Leaving the loop early cancels those that run: their outcomes
    are kept in the store, not announced. ``aclose`` does so and waits for it.

    What an earlier start of the run has kept comes first, unless it was acknowledged.
    """

    def __init__(
        self,
        start: Callable[[Estate], Awaitable[Started]],
        why: Callable[[], Awaitable[str]],
        *,
        name: str = "",
    ) -> None:
        self.name = name
        """Of the run; its groups' names begin with it."""
        self.recalling = False
        """The outcome that came last was kept by an earlier start of the run."""
        self.acknowledged: Mapping[str, int] = {}
        """Group to how many of its samples were acknowledged before this start; they are not given again."""
        self._start = start
        self._why = why
        self._estate = Estate()
        self._kept: Iterator[Outcome] | None = None
        self._recalled: deque[Outcome] = deque()
        self._run: Ref | None = None
        self._begun: anyio.Event | None = None
        """Set when the run that is being started has been, or could not be."""
        self._cancelled: str | None = None
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
            StoreError: The store cannot be read, or the run was begun with other tasks.
            EngineError: The engine is not open, or has failed; then each rollout that had begun has its outcome before.
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
        self._received += not self.recalling
        return outcome

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Cancel what runs and begin no more. The iteration goes on: it gives all outcomes, and ends."""
        if self._run is not None:
            self._run.cast(Stop(reason))
        elif self._begun is not None:
            self._cancelled = self._cancelled or reason
        else:
            self._over = True

    async def aclose(self) -> None:
        """Cancel what runs, and wait until every outcome is in the store. Idempotent.

        Cancelled while it waits, it has told the run to end all the same.
        """
        self._over = True
        if self._begun is not None:
            await self._begun.wait()
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
        run = self._run or await self._begin()
        if run is None:
            return None
        if self.recalling:
            await anyio.to_thread.run_sync(self._recall)
            # No await between these lines: who is cancelled while it waits misses nothing.
            if self._recalled or self._over:
                return self._recalled.popleft() if self._recalled else None
            self.recalling = False
        try:
            return await run.call(Next(self._received), timeout=math.inf)
        except CallError as error:
            left = self._estate.after(self._received)
            if left is not None:
                return left
            self._over = True
            raise EngineFailed(await self._why()) from error
        except Exception:
            await self.aclose()
            raise

    async def _begin(self) -> Ref | None:
        """Start the run, and tell it what was asked for meanwhile; ``None`` if nobody wants it any more."""
        self._begun = begun = anyio.Event()
        try:
            started = await self._start(self._estate)
            self._run, self._kept, self.acknowledged = started.run, started.kept, started.acknowledged
            self.recalling = self._kept is not None
        finally:
            self._begun = None
            begun.set()
        if self._over:
            return None
        if self._cancelled is not None:
            started.run.cast(Stop(self._cancelled))
        return started.run

    def _recall(self) -> None:
        if not self._recalled:
            self._recalled.extend(islice(self._kept or (), 1))
