"""A desk: the calls of one rollout, kept apart for whoever answers them one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from greenroom.interception.pending import PendingCall
from greenroom.interception.wakeup import Wakeup


class Desk:
    """The line of one rollout. Made by `GateModel.desk`, and awaited on the event loop the rollout runs on.

    Only what happens at this desk wakes who waits at it: ten thousand idle ones cost a busy one nothing.

    Args:
        lock: The gate's.
        paused: Whether nothing is handed out at the moment.
        on_close: Called once when it is closed.
    """

    def __init__(self, lock: threading.Lock, paused: Callable[[], bool], on_close: Callable[[], None]) -> None:
        self._lock = lock
        self._paused = paused
        self._on_close = on_close
        self._line: dict[PendingCall, None] = {}
        self._closed = False
        self._wakeup: Wakeup | None = None

    def __len__(self) -> int:
        """Calls that nobody has taken yet."""
        return len(self._line)

    async def arrived(self) -> bool:
        """Wait until there seems to be a call to `take`; false once the desk is closed. The caller bounds it.

        Nothing is taken, so that whoever is cancelled while it waits loses nothing.
        """
        while (wakeup := self._watch()) is not None:
            await wakeup.wait()
        return not self._closed

    def take(self) -> PendingCall | None:
        """A call if one waits and may be handed out; a pause may have begun since it arrived."""
        with self._lock:
            if self._closed or self._paused() or not self._line:
                return None
            call = next(iter(self._line))
            del self._line[call]
            return call

    def close(self) -> None:
        """No more calls will come; whoever waits is told so. Idempotent."""
        if not self._closed:
            self._closed = True
            self._on_close()
        self.notify()

    def notify(self) -> None:
        """Have whoever waits look again, from any thread."""
        with self._lock:
            wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None:
            wakeup.set()

    def add(self, call: PendingCall) -> None:
        """Put ``call`` at the end. The gate's, which holds the lock."""
        self._line[call] = None

    def remove(self, call: PendingCall) -> None:
        """Take ``call`` out, if it is still here. The gate's, which holds the lock."""
        self._line.pop(call, None)

    def _watch(self) -> Wakeup | None:
        with self._lock:
            if self._closed or (self._line and not self._paused()):
                return None
            self._wakeup = self._wakeup or Wakeup()
            return self._wakeup
