"""trio, as the kernel sees it.

Actors are system tasks: no cancel scope of the caller reaches them, so an outer cancellation stops the system in order
instead of everywhere at once, and a task that ignores its cancellation cannot hang a nursery.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from greenroom.kernel._backend import Scope, Sleeper


class Sleeping:
    """Where the alarm task sleeps."""

    waiter: Any = None


class TrioBackend:
    """One per system."""

    def __init__(self) -> None:
        self.on_alarm: Callable[[], None] = lambda: None
        self.now = trio.current_time
        self.new_scope: Callable[..., Scope] = trio.CancelScope
        self._token = trio.lowlevel.current_trio_token()
        self._clock = trio.CancelScope()
        self._asleep = Sleeping()
        self._due = math.inf
        self._closed = False
        trio.lowlevel.spawn_system_task(self._alarm_task, name="greenroom alarm")

    async def park(self, sleeper: Sleeper) -> None:
        sleeper.waiter = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            sleeper.waiter = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self, sleeper: Sleeper) -> None:
        task, sleeper.waiter = sleeper.waiter, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def current_task(self) -> object:
        return trio.lowlevel.current_task()

    def spawn(
        self, main: Callable[[], Coroutine[Any, Any, None]], name: str, ended: Callable[[object], None]
    ) -> object:
        async def body() -> None:
            try:
                await main()
            finally:
                ended(None)

        return trio.lowlevel.spawn_system_task(body, name=name, context=contextvars.copy_context())

    def alarm(self, when: float) -> None:
        self._due = self._clock.deadline = when

    async def _alarm_task(self) -> None:
        # trio has no call_later: one task sleeps until the earliest deadline, which `alarm` moves under its feet.
        while not self._closed:
            self._clock = trio.CancelScope(deadline=self._due)
            with self._clock:
                await self.park(self._asleep)
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
        self.wake(self._asleep)
