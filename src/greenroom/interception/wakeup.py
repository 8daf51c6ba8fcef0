"""Waking a task of one event loop from any thread, and from other event loops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, cast

import anyio
from anyio.lowlevel import current_token


class _AsyncioLoop(Protocol):
    def call_soon_threadsafe(self, callback: Callable[[], None], /) -> object: ...


class _TrioToken(Protocol):
    def run_sync_soon(self, callback: Callable[[], None], /) -> object: ...


class Wakeup:
    """A one-shot event: made and awaited in one event loop, set from anywhere. `set` never blocks."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._thread = threading.get_ident()
        self._loop = current_token().native_token

    def set(self) -> None:
        """Wake who waits. A loop that is over is left in peace."""
        if threading.get_ident() == self._thread:
            self._event.set()
            return
        try:
            self._schedule(self._event.set)
        except RuntimeError:
            # Both asyncio and trio say so when the loop has ended: nobody is left to wake.
            return

    async def wait(self) -> None:
        """Wait until `set`. The caller bounds it."""
        await self._event.wait()

    def _schedule(self, callback: Callable[[], None]) -> None:
        if hasattr(self._loop, "call_soon_threadsafe"):
            cast("_AsyncioLoop", self._loop).call_soon_threadsafe(callback)
        else:
            cast("_TrioToken", self._loop).run_sync_soon(callback)
