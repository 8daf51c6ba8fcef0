"""The gate: calls are held open until their owner, a trainer mostly, takes them in batches and answers each.

Calls arrive on the engine's event loop; they may be taken on any loop and answered from any thread. Every call ends
exactly once: answered, failed, or gone because its agent is. A call that waits costs no thread and wakes nobody.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import anyio

from greenroom.interception.completion import checked
from greenroom.interception.errors import ModelError
from greenroom.interception.line import FairLine
from greenroom.interception.wakeup import Wakeup
from greenroom.messages import ChatMessage, Completion, ModelCall, Sampling, Tool


class PendingCall:
    """A call that waits for its answer."""

    def __init__(self, request: ModelCall) -> None:
        self.request = request
        """The call as the agent made it."""
        self._lock = threading.Lock()
        self._ended = False
        self._result: Completion | ModelError | None = None
        self._wakeup = Wakeup()

    def __repr__(self) -> str:
        return f"<PendingCall {self.request.id!r}, {'ended' if self._ended else 'waiting'}>"

    @property
    def rollout_id(self) -> str:
        """Whose call it is."""
        return self.request.rollout_id

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far."""
        return self.request.messages

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools the agent offers."""
        return self.request.tools

    @property
    def sampling(self) -> Sampling:
        """How the agent wants it sampled."""
        return self.request.sampling

    @property
    def ended(self) -> bool:
        """Whether it was answered, failed, or its agent is gone: nothing more can be done about it."""
        return self._ended

    def reply(self, completion: Completion) -> bool:
        """Answer it, from any thread. False when it has ended before, and the completion is of no use to anybody.

        Raises:
            TypeError: ``completion`` is none.
        """
        return self._end(checked(completion))

    def fail(self, message: str = "the model's owner gave no answer", *, retryable: bool = True) -> bool:
        """End it without an answer, from any thread. False when it has ended before.

        Args:
            message: For the outcome; the agent sees a generic text.
            retryable: Whether the agent is invited to try again.
        """
        return self._end(ModelError("failed", message, retryable=retryable))

    def withdraw(self) -> bool:
        """The agent is gone. What the gate calls; of no use to others."""
        return self._end(None)

    async def outcome(self) -> Completion:
        """Wait for the answer. Raises `ModelError` when it fails."""
        await self._wakeup.wait()
        if isinstance(self._result, Completion):
            return self._result
        raise self._result or ModelError("withdrawn", "the call was withdrawn")

    def _end(self, result: Completion | ModelError | None) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._ended, self._result = True, result
        self._wakeup.set()
        return True


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
        pending = PendingCall(call)
        self._hold(pending)
        try:
            return await pending.outcome()
        finally:
            pending.withdraw()
            self._release(pending)

    async def calls(self, max_batch: int = 64, linger: float = 0.005) -> AsyncIterator[list[PendingCall]]:
        """Batches of calls, until the gate is closed.

        In order of arrival, with rollouts taking turns: none gets a second call into a batch before all that wait
        have one in it. Several iterators share the calls.

        Args:
            max_batch: Most calls in a batch.
            linger: Seconds to wait for the batch to fill once there is a call.
        """
        while await self._until(1):
            with anyio.move_on_after(linger):
                await self._until(max_batch)
            if batch := self._take(max_batch):
                yield batch

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
            held = list(self._held)
        for pending in held:
            pending.fail("the gate is closed")
        self._notify()

    def _hold(self, pending: PendingCall) -> None:
        with self._lock:
            if self._closed:
                raise ModelError("gate_closed", "the gate is closed")
            if len(self._held) >= self._limit:
                raise ModelError("gate_full", f"the gate holds {self._limit} calls already")
            self._held.add(pending)
            self._line.add(pending.rollout_id, pending)
        self._notify()

    def _release(self, pending: PendingCall) -> None:
        with self._lock:
            self._held.discard(pending)
            self._line.remove(pending.rollout_id, pending)

    def _take(self, count: int) -> list[PendingCall]:
        with self._lock:
            if self._paused or self._closed:
                return []
            return self._line.take(count)

    def _set_paused(self, *, paused: bool) -> None:
        with self._lock:
            self._paused = paused
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
