"""The leak check: what was not alive before a block must not be alive after it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, get_args

import anyio

from greenroom.kernel.testing._snapshots import SNAPSHOTS, Kind, Snapshot
from greenroom.kernel.testing._threads import stray_threads

GRACE: Final = 1.0
"""Seconds a thread gets to end that was told to."""


class Leaked(AssertionError):
    """Something outlived its block; the text names every one."""


class LeakCheck:
    """What `leak_check` returns."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds
        self._before: dict[Kind, Snapshot] = {}

    def __enter__(self) -> None:
        self._before = {kind: SNAPSHOTS[kind]() for kind in self._kinds}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leaked():
            gc.collect()
            _join(self._before.get("thread", {}))
            _report(self._leaked(), error)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._leaked():
            # A task that was just told to end needs a few turns of the loop.
            with anyio.move_on_after(GRACE):
                await anyio.wait_all_tasks_blocked()
        self.__exit__(kind, error, trace)

    def _leaked(self) -> list[str]:
        return [
            f"{kind} {description}"
            for kind, before in self._before.items()
            for key, description in SNAPSHOTS[kind]().items()
            if key not in before
        ]


def leak_check(*kinds: Kind) -> LeakCheck:
    """Assert that nothing begun in the block it opens, by ``with`` or ``async with``, outlives the block.

    Args:
        kinds: What to look at, of ``"thread"``, ``"task"``, ``"fd"``, ``"process"``, ``"system"``; all when empty.
            Tasks are those of the loop the block runs in. File descriptors and child processes need ``/proc``.

    Raises:
        Leaked: On leaving: what is still alive, by name. When the block itself raises, its exception is let through
            and what leaked is added to it as a note.
    """
    return LeakCheck(kinds or get_args(Kind))


def _join(before: Snapshot) -> None:
    deadline = time.monotonic() + GRACE
    for thread in stray_threads(before.keys()):
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))


def _report(leaked: list[str], error: BaseException | None) -> None:
    if not leaked:
        return
    text = "outlived its block:\n" + "\n".join(f"- {line}" for line in leaked)
    if error is None:
        raise Leaked(text)
    error.add_note(text)
