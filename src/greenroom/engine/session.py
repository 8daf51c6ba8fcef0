"""A session: one rollout, driven call by call by whoever owns its model."""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from greenroom.actors.estate import Estate
from greenroom.actors.run_requests import Abandon, Next, Stop
from greenroom.engine.stream import EngineError, EngineFailed
from greenroom.kernel import CallError, Ref
from greenroom.messages import Outcome

if TYPE_CHECKING:
    from greenroom.interception.desk import Desk
    from greenroom.interception.pending import PendingCall

_LEAVE_SECONDS = 60.0


class _ClosedEarly(EngineError):
    """There is no rollout, and will be none."""


class Session:
    """One rollout whose model calls are taken and answered one by one. Made by `Engine.session`.

    It starts with the first `next_call` or `outcome`, or with ``async with``, and waits for a slot like any rollout.
    It is one attempt: whether to begin again is for its driver to decide. While it waits for the agent it costs no
    thread and is never woken for nothing. When the ``async with`` block is left, a rollout that still runs is
    cancelled, and has its outcome; one that is dropped without that ends when Python's collector comes by.
    """

    def __init__(
        self,
        rollout_id: str,
        start: Callable[[Estate], Awaitable[tuple[Ref, Desk]]],
        why: Callable[[], Awaitable[str]],
    ) -> None:
        self.rollout_id = rollout_id
        """As in its calls and its outcome."""
        self._start = start
        self._why = why
        self._estate = Estate()
        self._starting = anyio.Lock()
        self._run: Ref | None = None
        self._desk: Desk | None = None
        self._outcome: Outcome | None = None
        self._closed = False
        self._thread = threading.get_ident()

    async def __aenter__(self) -> Self:
        """Start it. Raises `EngineError` when the engine is not open."""
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def next_call(self) -> PendingCall | None:
        """The agent's next model call; ``None`` once it has exited, or its rollout is over for another reason.

        Cancelled at whatever moment, it has taken no call: the next one gets it.

        Raises:
            EngineError: The engine is not open, or has failed.
        """
        try:
            _, desk = await self._begin()
        except _ClosedEarly:
            return None
        while (call := desk.take()) is None and await self._has_call(desk):
            pass  # a pause may begin between an arrival and the taking
        return call

    async def outcome(self) -> Outcome:
        """The rollout's one outcome, once it is kept. The agent's calls have to be answered meanwhile.

        Raises:
            EngineError: The engine is not open, or has failed, or the session was closed before it began.
        """
        if self._outcome is None:
            run, desk = await self._begin()
            self._outcome = await self._ask_for_outcome(run)
            run.cast(Abandon())
            desk.close()
        return self._outcome

    async def aclose(self) -> None:
        """Cancel the rollout if it runs, and wait until its outcome is kept. Idempotent."""
        async with self._starting:
            self._closed = True
        if self._run is None:
            return
        self._run.cast(Stop("the session was closed"))
        try:
            with anyio.move_on_after(_LEAVE_SECONDS, shield=True), suppress(EngineError):
                await self.outcome()
        finally:
            self._let_go()

    def __del__(self) -> None:
        # As for a stream of outcomes: garbage that another thread collects must not touch the event loop.
        if self._run is not None and self._outcome is None and threading.get_ident() == self._thread:
            self._let_go()

    async def _begin(self) -> tuple[Ref, Desk]:
        async with self._starting:
            if self._run is None or self._desk is None:
                if self._closed:
                    raise _ClosedEarly("the session was closed before it began")
                self._run, self._desk = await self._start(self._estate)
        return self._run, self._desk

    async def _has_call(self, desk: Desk) -> bool:
        """Wait for a call or for the outcome: a rollout may end in ways that its desk never hears of."""
        failed: list[EngineError] = []
        has = False

        async def end() -> None:
            try:
                await self.outcome()
            except EngineError as error:
                failed.append(error)
                desk.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            has = await desk.arrived()
            tasks.cancel_scope.cancel()
        if failed:
            raise failed[0]
        return has

    async def _ask_for_outcome(self, run: Ref) -> Outcome:
        try:
            outcome = await run.call(Next(0), timeout=math.inf)
        except CallError as error:
            outcome = self._estate.after(0)
            if outcome is None:
                raise EngineFailed(await self._why()) from error
        if outcome is None:
            raise EngineError("the engine was stopped before the rollout began")
        return outcome

    def _let_go(self) -> None:
        if self._run is not None:
            self._run.cast(Abandon())
        if self._desk is not None:
            self._desk.close()
