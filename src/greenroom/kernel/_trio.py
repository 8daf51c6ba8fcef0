"""trio, as the kernel sees it.

Actors are system tasks: no cancel scope of the caller reaches them, so an outer cancellation stops the system in order
instead of everywhere at once, and a task that ignores its cancellation cannot hang a nursery.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Coroutine
from typing import Any

import trio


class TrioParker:
    """A task waiting to be rescheduled."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    async def park(self) -> None:
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def unpark(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)


class TrioBackend:
    """One per system."""

    def __init__(self) -> None:
        self.on_alarm: Callable[[], None] = lambda: None
        self.now = trio.current_time
        self._token = trio.lowlevel.current_trio_token()
        self._clock = trio.CancelScope()
        self._asleep = TrioParker()
        self._due = math.inf
        self._closed = False
        trio.lowlevel.spawn_system_task(self._alarm_task, name="greenroom alarm")

    def parker(self) -> TrioParker:
        return TrioParker()

    def current_task(self) -> object:
        return trio.lowlevel.current_task()

    def spawn(self, main: Callable[[], Coroutine[Any, Any, None]], name: str, ended: Callable[[], None]) -> None:
        async def body() -> None:
            try:
                await main()
            finally:
                ended()

        trio.lowlevel.spawn_system_task(body, name=name, context=contextvars.copy_context())

    def alarm(self, when: float) -> None:
        self._due = self._clock.deadline = when

    async def _alarm_task(self) -> None:
        # trio has no call_later: one task sleeps until the earliest deadline, which `alarm` moves under its feet.
        while not self._closed:
            self._clock = trio.CancelScope(deadline=self._due)
            with self._clock:
                await self._asleep.park()
            if self._clock.cancelled_caught and not self._closed:
                self._due = math.inf
                self.on_alarm()

    def call_from_thread(self, call: Callable[[], object]) -> bool:
        try:
            self._token.run_sync_soon(call)
        except trio.RunFinishedError:
            return False
        return True

    async def close(self) -> None:
        self._closed = True
        self._asleep.unpark()
