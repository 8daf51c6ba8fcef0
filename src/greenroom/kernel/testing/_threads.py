"""Threads that began after some moment, without those that only rest in a pool."""

from __future__ import annotations

import threading
from collections.abc import Container

_POOLED = ("Trio thread ", "asyncio_")
"""Names of the pools' threads; trio renames its own for as long as they work."""


def stray_threads(before: Container[object]) -> list[threading.Thread]:
    """Living threads that are not in ``before`` and do not rest in the pool of anyio, trio or an asyncio loop."""
    return [thread for thread in threading.enumerate() if thread not in before and not _rests(thread)]


def _rests(thread: threading.Thread) -> bool:
    # anyio's workers keep one name, but know the queue of those that are idle.
    return thread.name.startswith(_POOLED) or thread in getattr(thread, "idle_workers", ())
