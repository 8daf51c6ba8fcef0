"""What trio's mock clock leaves open: worker threads, deadlocks and the seed of the schedule.

`trio.testing.MockClock` jumps to the next deadline when all tasks are blocked, also when one of them is blocked on a
worker thread; with no deadline at all it spins. The instrument here switches the autojump off while there is something
real to wait for, and ends a run in which there is nothing.
"""

from __future__ import annotations

import math
import random
import signal
import threading
from collections.abc import Container, Iterator
from importlib import import_module
from typing import Any, NoReturn

import trio
from trio.testing import MockClock, active_thread_count

from greenroom.kernel.testing._deadlock import Deadlock
from greenroom.kernel.testing._threads import stray_threads

_JUMP = 0.0
_WAIT = math.inf

_run = import_module("trio._core._run").__dict__
_OWN_TASKS = ("<", "trio.")
_SCHEDULER = ("_r", "_ALLOW_DETERMINISTIC_SCHEDULING")


class Autojump(trio.abc.Instrument):
    """Conducts one mock clock; give both to the run: ``trio.run(main, clock=it.clock, instruments=[it])``.

    Args:
        seed: Chooses the order in which tasks run that are ready at the same time; without it trio draws its own.

    Raises:
        RuntimeError: This version of trio lacks an internal name that is needed.
    """

    def __init__(self, seed: int | None = None) -> None:
        _require(_run, *_SCHEDULER, "GLOBAL_RUN_CONTEXT")
        _require(dir(trio.lowlevel.Task), "_attempt_abort", "_abort_func")
        self.clock = MockClock(autojump_threshold=_JUMP)
        self._seed = seed
        self._was_idle = False
        self._scheduler: dict[str, Any] = {}
        self._threads_before: frozenset[threading.Thread] = frozenset()

    def before_run(self) -> None:
        """Seed the scheduler, which is global to trio, for this run."""
        self._set(_JUMP)
        self._threads_before = frozenset(threading.enumerate())
        self._scheduler = {name: _run[name] for name in _SCHEDULER}
        if self._seed is not None:
            _run.update(zip(_SCHEDULER, (random.Random(self._seed), True), strict=True))  # noqa: S311 (no secret)

    def after_run(self) -> None:
        """Give the scheduler back."""
        _run.update(self._scheduler)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 (trio passes it)
        """Let time stand still while a worker thread runs."""
        self._was_idle = False
        self._set(_WAIT if active_thread_count() else _JUMP)

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 (trio passes it)
        """Look, once nothing has run between two waits, whether there is anything to jump to or to wait for."""
        # One idle wait proves nothing: it may have been for `trio.testing.wait_all_tasks_blocked`.
        if not self._was_idle:
            self._was_idle = True
            return
        now = trio.lowlevel.current_statistics()
        if now.tasks_runnable or now.seconds_to_next_deadline < math.inf:
            return
        self._set(_WAIT)
        if not self._could_be_woken(now):
            _raise_deadlock()

    def _set(self, threshold: float) -> None:
        if self.clock.autojump_threshold != threshold:
            self.clock.autojump_threshold = threshold

    def _could_be_woken(self, now: trio.lowlevel.RunStatistics) -> bool:
        outside = threading.current_thread() is not threading.main_thread()
        threads = active_thread_count() or stray_threads(self._threads_before)
        return outside or bool(threads) or _waits_for_io(now.io_statistics) or _waits_for_signal()


def _waits_for_io(statistics: object) -> bool:
    # The names differ between Linux and macOS. One task is trio's own: it waits for calls from threads.
    names = ("tasks_waiting", "tasks_waiting_read", "tasks_waiting_write")
    return sum(getattr(statistics, name, 0) for name in names) > 1


def _waits_for_signal() -> bool:
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return any(getattr(handler, "__module__", "") == "trio._signals" for handler in handlers)


def _raise_deadlock() -> None:
    """Raise it where the main task waits, as trio does with `KeyboardInterrupt`; where all others do, if that ended."""
    tasks = list(_family(trio.lowlevel.current_root_task()))
    deadlock = Deadlock((task.name, task.coro) for task in tasks)

    def throw() -> NoReturn:
        raise deadlock

    main: Any = _run["GLOBAL_RUN_CONTEXT"].runner.main_task
    stuck: list[Any] = [main] if main in tasks else [*tasks]
    for task in stuck:
        if task._abort_func is not None:  # noqa: SLF001 (there is no public way in)
            task._attempt_abort(throw)  # noqa: SLF001


def _family(task: trio.lowlevel.Task | None) -> Iterator[trio.lowlevel.Task]:
    if task is None:
        return
    if not task.name.startswith(_OWN_TASKS):
        yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _family(child)


def _require(present: Container[str], *names: str) -> None:
    missing = [name for name in names if name not in present]
    if missing:
        raise RuntimeError(f"trio {trio.__version__} has no {', '.join(missing)}: virtual time needs another version")
