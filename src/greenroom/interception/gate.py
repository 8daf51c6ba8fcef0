"""The gate: calls are held open until their owner, a trainer mostly, takes them in batches and answers each.

Calls arrive on the engine's event loop; they may be taken on any loop and answered from any thread. Every call ends
exactly once: answered, failed, or gone because its agent is. A call that waits costs no thread and wakes nobody.
"""

from __future__ import annotations

import threading
from functools import partial

from greenroom.interception.batches import Batches
from greenroom.interception.desk import Desk
from greenroom.interception.errors import ModelError
from greenroom.interception.line import FairLine
from greenroom.interception.pending import PendingCall
from greenroom.interception.wakeup import Wakeup
from greenroom.messages import Completion, ModelCall

__all__ = ["GateModel", "PendingCall"]


class GateModel:
    """A model whose answers somebody else gives.

    Args:
        limit: Most calls held at once; one more is failed, and its agent invited to try again.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: set[PendingCall] = set()
        self._line: FairLine[PendingCall] = FairLine()
        self._desks: dict[str, Desk] = {}
        self._takers: dict[Wakeup, int] = {}
        self._paused = False
        self._closed = False

    def __len__(self) -> int:
        """Calls that are held: those in line and those handed out but not answered."""
        return len(self._held)

    @property
    def paused(self) -> bool:
        """Whether calls are held back."""
        return self._paused

    async def __call__(self, call: ModelCall) -> Completion:
        """Hold ``call`` until it is answered. Cancelled, it is taken out of the line."""
        pending = PendingCall.of(call)
        self._hold(pending)
        try:
            return await pending.outcome()
        finally:
            pending.withdraw()
            self._release(pending)

    def calls(self, max_batch: int = 64, linger: float = 0.005) -> Batches:
        """Batches of calls, until the gate is closed.

        In order of arrival, with rollouts taking turns: none gets a second call into a batch before all that wait
        have one in it. Several iterators share the calls.

        Args:
            max_batch: Most calls in a batch.
            linger: Seconds to wait for the batch to fill once there is a call.
        """
        return Batches(self._until, self._take, max_batch, linger)

    def desk(self, rollout_id: str) -> Desk:
        """Keep the calls of a rollout for whoever answers them one by one; `calls` does not see them.

        Raises:
            ValueError: There is one for this rollout already.
        """
        with self._lock:
            if rollout_id in self._desks:
                raise ValueError(f"rollout {rollout_id!r} has a desk already")
            desk = Desk(self._lock, lambda: self._paused, partial(self._forget, rollout_id))
            if not self._closed:
                self._desks[rollout_id] = desk
        if self._closed:
            desk.close()
        return desk

    def desk_of(self, rollout_id: str) -> Desk | None:
        """The desk of this rollout, if it has one."""
        return self._desks.get(rollout_id)

    def pause(self) -> None:
        """Hand out no more calls, from any thread. Agents are kept waiting; what is handed out can be answered."""
        self._set_paused(paused=True)

    def resume(self) -> None:
        """Hand out calls again, from any thread."""
        self._set_paused(paused=False)

    async def close(self) -> None:
        """Fail every call that is held, end every iterator. Idempotent."""
        with self._lock:
            self._closed = True
            held, desks = list(self._held), list(self._desks.values())
        for pending in held:
            pending.fail("the gate is closed")
        for desk in desks:
            desk.close()
        self._notify()

    def _hold(self, pending: PendingCall) -> None:
        with self._lock:
            if self._closed:
                raise ModelError("gate_closed", "the gate is closed")
            if len(self._held) >= self._limit:
                raise ModelError("gate_full", f"the gate holds {self._limit} calls already")
            self._held.add(pending)
            desk = self._desks.get(pending.rollout_id)
            if desk is None:
                self._line.add(pending.rollout_id, pending)
            else:
                desk.add(pending)
        if desk is None:
            self._notify()
        else:
            desk.notify()

    def _forget(self, rollout_id: str) -> None:
        with self._lock:
            self._desks.pop(rollout_id, None)

    def _release(self, pending: PendingCall) -> None:
        with self._lock:
            self._held.discard(pending)
            if not self._line.remove(pending.rollout_id, pending) and pending.rollout_id in self._desks:
                self._desks[pending.rollout_id].remove(pending)

    def _take(self, count: int) -> list[PendingCall]:
        with self._lock:
            if self._paused or self._closed:
                return []
            return self._line.take(count)

    def _set_paused(self, *, paused: bool) -> None:
        with self._lock:
            self._paused = paused
            desks = list(self._desks.values())
        for desk in desks:
            desk.notify()
        self._notify()

    async def _until(self, count: int) -> bool:
        """Wait for ``count`` calls to take. False when the gate is closed."""
        while (wakeup := self._watch(count)) is not None:
            try:
                await wakeup.wait()
            finally:
                with self._lock:
                    self._takers.pop(wakeup, None)
        return not self._closed

    def _watch(self, count: int) -> Wakeup | None:
        with self._lock:
            if self._ready(count):
                return None
            wakeup = Wakeup()
            self._takers[wakeup] = count
            return wakeup

    def _ready(self, count: int) -> bool:
        return self._closed or (not self._paused and len(self._line) >= count)

    def _notify(self) -> None:
        with self._lock:
            due = [wakeup for wakeup, count in self._takers.items() if self._ready(count)]
        for wakeup in due:
            wakeup.set()
