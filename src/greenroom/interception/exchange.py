"""The shell around one exchange: an answer somebody computes and any number of requests wait for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio

from greenroom.interception.errors import ModelError
from greenroom.interception.hold import Hold, Timekeeper, Untimed
from greenroom.messages import Completion, ModelCall

Result = Completion | ModelError


class Pending:
    """The answer to one call: awaited within ``scope``, then there for good.

    It does not hold the call: an answer is remembered for a while, and a call carries the whole conversation. Nor does
    it hold, once it is settled, what waiting takes: of thousands of answers that are remembered, little is kept.

    Args:
        expires: When the wait for the answer ends at the latest, on the event loop's clock.
        timekeeper: Told while the model's side holds the call.
    """

    __slots__ = ("_done", "_expires", "_hold", "result", "scope")

    def __init__(self, expires: float, timekeeper: Timekeeper | None = None) -> None:
        self.scope: anyio.CancelScope | None = anyio.CancelScope(deadline=expires)
        """``None`` once it is settled."""
        self.result: Result | None = None
        self._expires = expires
        self._done: anyio.Event | None = anyio.Event()
        self._hold: Hold | None = Hold(timekeeper or Untimed())

    def asked(self) -> None:
        """The call is with the model's side."""
        if self._hold is not None:
            self._hold.asked()

    def wanted(self) -> None:
        """Somebody waits."""
        if self.scope is not None:
            self.scope.deadline = self._expires
        if self._hold is not None:
            self._hold.wanted(wanted=True)

    def unwanted(self, grace: float) -> None:
        """Nobody waits any more; if that stays so for ``grace`` seconds, the answer is not awaited any longer."""
        if self.scope is not None:
            self.scope.deadline = min(self._expires, anyio.current_time() + grace)
        if self._hold is not None:
            self._hold.wanted(wanted=False)

    def cancel(self) -> None:
        """Await the answer no longer."""
        if self.scope is not None:
            self.scope.cancel()

    def settle(self, result: Result) -> None:
        """Tell all who wait. Only the first result counts."""
        if self._hold is not None:
            if isinstance(result, Completion):
                self._hold.answered()
            self._hold.over()
            self._hold = None
        if self._done is not None:
            self.result = result
            self._done.set()
            self._done = self.scope = None

    async def wait(self) -> Result:
        """The answer. Bounded by ``expires``, and by the route's end."""
        if self._done is not None:
            await self._done.wait()
        if self.result is None:  # pragma: no cover - `settle` sets both
            raise AssertionError
        return self.result

    async def wait_for(self, seconds: float) -> Result | None:
        """The answer, or ``None`` if there is none after ``seconds``."""
        with anyio.move_on_after(seconds):
            return await self.wait()
        return None


class Ticket:
    """One request's part in an exchange.

    Args:
        call: The call as this request put it: a retry may ask for a stream where the first did not.
        pending: The answer it waits for.
        run: Asks for the answer, to be run in a task of its own; ``None`` when somebody has done so before.
        on_sent: Called when this request was answered in full.
        on_left: Called once when it is over, in whatever way.
    """

    def __init__(
        self,
        call: ModelCall,
        pending: Pending,
        *,
        run: Callable[[], Coroutine[Any, Any, None]] | None = None,
        on_sent: Callable[[], None] = lambda: None,
        on_left: Callable[[], None] = lambda: None,
    ) -> None:
        self.call = call
        self.pending = pending
        self.run = run
        self.sent = on_sent
        self.leave = on_left
