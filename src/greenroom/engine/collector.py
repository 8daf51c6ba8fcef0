"""Python's cyclic garbage collector, while an engine is open.

A thousand calls that are held are a hundred thousand objects that live on, and the collector walks through all of them
again and again: at 2,000 calls each full pass stops the process for more than half a second, several times a wave. So
its thresholds are raised while there is an engine. Little is lost: ended actors are no cycles, they go at once.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

_CALM = (50_000, 20, 100)

_lock = threading.Lock()
_users: list[tuple[int, int, int]] = []
"""For each open engine, the thresholds the first of them found."""


@contextmanager
def calm_collector() -> Generator[None]:
    """Raise the thresholds of the whole process until the last such block is left; never lower one.

    A collector that is switched off (a first threshold of 0) stays off.
    """
    with _lock:
        found = _users[0] if _users else gc.get_threshold()
        _users.append(found)
        if found[0]:
            gc.set_threshold(*map(max, found, _CALM))
    try:
        yield
    finally:
        with _lock:
            _users.pop()
            if not _users:
                gc.set_threshold(*found)
