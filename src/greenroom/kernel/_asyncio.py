"""asyncio, uvloop included, as the kernel sees it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from greenroom.kernel._backend import Scope, Sleeper


class AsyncioBackend:
    """One per system."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self.on_alarm: Callable[[], None] = lambda: None
        self.now = self._loop.time
        self.new_scope: Callable[..., Scope] = type(anyio.CancelScope())
        self._new_future = self._loop.create_future

    def park(self, sleeper: Sleeper) -> asyncio.Future[None]:
        # A future is awaitable by itself: no coroutine of ours stands between it and the sleeping task.
        sleeper.waiter = future = self._new_future()
        return future

    def wake(self, sleeper: Sleeper) -> None:
        future = sleeper.waiter
        if future is not None:
            sleeper.waiter = None
            if not future.done():
                future.set_result(None)

    def current_task(self) -> object:
        return asyncio.current_task()

    def spawn(
        self, main: Callable[[], Coroutine[Any, Any, None]], name: str, ended: Callable[[object], None]
    ) -> object:
        task = self._loop.create_task(main(), name=name)
        # A callback, since a task that is cancelled before its first step never runs its own `finally`.
        task.add_done_callback(ended)
        return task

    def alarm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if when != math.inf:
            self._handle = self._loop.call_at(when, self.on_alarm)

    def call_from_thread(self, call: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return False
        return True

    async def close(self) -> None:
        self.alarm(math.inf)
