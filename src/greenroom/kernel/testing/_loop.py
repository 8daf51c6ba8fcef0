"""An asyncio event loop whose time is virtual: instead of sleeping, it moves its clock to the next timer.

A loop asks its selector to wait until the next timer is due. It does so exactly when nothing can run, so that request
is the place where time passes. The selector here polls, and if nothing has happened either moves the clock, or, while
a thread works or no timer is set, waits for the world in real time, or reports that there is no world to wait for.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from greenroom.kernel.testing._deadlock import Deadlock
from greenroom.kernel.testing._schedule import Schedule
from greenroom.kernel.testing._threads import stray_threads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Events = list[tuple[selectors.SelectorKey, int]]


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector event loop in virtual time, for tests.

    Time starts at 0.0, stands still while anything can run, and then jumps to the next timer. While a call in a worker
    thread (`loop.run_in_executor`, `anyio.to_thread.run_sync`) is under way it stands still, too, so the call takes no
    virtual time. With neither timer nor anything outside to wait for, `Deadlock` is raised out of the loop.

    What it cannot know: how long a peer outside this loop needs. Watched file descriptors are polled before every
    jump, but an answer that is still on its way loses against any timer: do not mix sockets, child processes or threads
    of your own with timeouts in virtual time. A worker thread that itself waits for virtual time to pass
    (`anyio.from_thread.run(anyio.sleep, 1)`) waits for ever. A deadlock is never claimed while the loop runs outside
    the main thread or threads were started since it was made, as any of these could wake it.

    Args:
        seed: Chooses the order in which tasks run that are ready at the same time; without it they run first in, first
            out, as everywhere in asyncio.
    """

    # Set by the base class: how wide "now" is, what runs in the next turn, the heap of timers, handlers by number.
    _clock_resolution: float
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _signal_handlers: dict[int, asyncio.Handle]
    _selector: selectors.BaseSelector

    def __init__(self, seed: int | None = None) -> None:
        self._now = 0.0
        self._calls = 0
        self._threads_before = frozenset(threading.enumerate())
        self._schedule = None if seed is None else Schedule(seed)
        super().__init__(_Selector(self))
        self._clock_resolution = math.ulp(self._now)
        self._own_watches = self._watched()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        **options: Any,  # noqa: ANN401 (which there are depends on the version of Python)
    ) -> asyncio.Task[T]:
        """As in the base class; the schedule learns of the task."""
        task = super().create_task(coro, **options)
        if self._schedule:
            self._schedule.born(task)
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As in the base class; time stands still until the call is over."""
        future = super().run_in_executor(executor, func, *args)
        self._calls += 1
        future.add_done_callback(self._call_over)
        return future

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """As in the base class; a thread does it, so time stands still."""
        self._calls += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._calls -= 1

    def begin_turn(self) -> None:
        """Fix the order of what is ready."""
        if self._schedule:
            self._schedule.shuffle(self._ready)

    def idle(self, *, strays: bool) -> float | None:
        """Nothing can run and no descriptor is ready: how many real seconds to wait (``None``: until something is)."""
        if self._calls or self._worker_busy():
            return None
        due = self._scheduled[0].when() if self._scheduled else math.inf
        if due < math.inf:
            self._jump(due)
            return 0
        if strays or self._could_be_woken():
            return None
        raise Deadlock((task.get_name(), task.get_coro()) for task in asyncio.all_tasks(self))

    def strays(self) -> bool:
        """Whether threads run that were started since the loop was made."""
        return bool(stray_threads(self._threads_before))

    def _jump(self, due: float) -> None:
        self._now = due
        # Due is what is earlier than now plus the resolution. A clock of real time is allowed to be a little early;
        # here whoever compared the time with his own, and set the timer again, would do so for ever.
        self._clock_resolution = math.ulp(due)

    def _call_over(self, _: asyncio.Future[Any]) -> None:
        self._calls -= 1

    def _worker_busy(self) -> bool:
        # anyio runs its worker threads past the loop. It keeps the list of idle ones in the loop's own thread, so a
        # worker missing there has not reported its result yet.
        return any(_works_for(thread, self) for thread in threading.enumerate())

    def _could_be_woken(self) -> bool:
        outside = threading.current_thread() is not threading.main_thread()
        return outside or bool(self._signal_handlers) or self._watched() > self._own_watches

    def _watched(self) -> int:
        return len(self._selector.get_map())


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Events:
        self._loop.begin_turn()
        # Looked at before polling: a thread may report and end in between.
        strays = timeout != 0 and self._loop.strays()
        events = super().select(0)
        if events or timeout == 0:
            return events
        return super().select(self._loop.idle(strays=strays))


def _works_for(thread: threading.Thread, loop: VirtualLoop) -> bool:
    mine = getattr(thread, "loop", None) is loop and not getattr(thread, "stopping", True)
    return mine and thread not in getattr(thread, "idle_workers", (thread,))
