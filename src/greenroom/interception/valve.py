"""A valve: what comes while it is shut waits until it is opened again."""

from __future__ import annotations

import threading

from greenroom.interception.wakeup import Wakeup


class Valve:
    """Open at first. Shut and opened from any thread; passed on any number of event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shut = False
        self._waiting: set[Wakeup] = set()

    @property
    def shut(self) -> bool:
        """Whether nothing passes."""
        return self._shut

    def pause(self) -> None:
        """Let nothing more pass."""
        with self._lock:
            self._shut = True

    def resume(self) -> None:
        """Let everything pass, that which waits first of all."""
        with self._lock:
            self._shut = False
            waiting = list(self._waiting)
        for wakeup in waiting:
            wakeup.set()

    async def passed(self) -> None:
        """Wait while it is shut. The caller bounds it."""
        while (wakeup := self._watch()) is not None:
            try:
                await wakeup.wait()
            finally:
                with self._lock:
                    self._waiting.discard(wakeup)

    def _watch(self) -> Wakeup | None:
        with self._lock:
            if not self._shut:
                return None
            wakeup = Wakeup()
            self._waiting.add(wakeup)
            return wakeup
