"""The way to one model server, which all its callers share: while it says wait, they wait in line.

Open, it costs nothing and lets everybody through. It shuts when the server asks for time, or when it has failed
several times in a row and answered nobody in between. When the time is up, the first in line tries alone. Each answer
then lets more of them in than before, so that a server that has just come back is not run over.

A rollout whose requests fail, one after another, has a fixed number of them, however many times its agent tries again
and however many attempts it makes. A call that would have to wait longer than it may take fails at once, without a
request.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from greenroom.interception.backoff import backoff
from greenroom.interception.errors import ModelError

REQUESTS = 8
"""Requests a rollout may lose to a server that fails, without an answer in between."""
_IN_A_ROW = 3
"""Failures, without an answer in between, after which a server that asks for no time is given some all the same."""
_MORE = 4
"""How many come in for each answer while a server comes back."""
_UNHEARD_SECONDS = 5.0
"""While a server comes back, one more comes in after so much silence: what is refused is refused sooner than that."""
_BUSY = (429, 502, 503, 504, 529)
"""Statuses by which a server says that it takes no requests at the moment, whatever they ask."""
_REMEMBERED = 65_536
_JITTER = 0.1
_MOST_JITTER = 5.0


class Turn:
    """One request at the server. What is said of it first decides; unsaid, it tells nothing of the server."""

    def __init__(self, turnstile: Turnstile, rollout_id: str) -> None:
        self._turnstile = turnstile
        self._said = False
        self._left = False
        self.rollout_id = rollout_id
        self.incident = turnstile.incidents
        """How often the turnstile had shut when this began."""

    def heard(self) -> None:
        """The server answers, though the answer may still turn out to be none."""
        if not self._said:
            self._said = True
            self._turnstile.opened(self)
        self.leave()

    def succeeded(self) -> None:
        """There is an answer."""
        self.heard()
        self._turnstile.forgive(self.rollout_id)

    def failed(self, error: ModelError, wait: float | None = None) -> None:
        """There is none, and the same request might succeed later.

        Args:
            error: Why. Most say something of this request alone, some of the whole server.
            wait: Seconds the server asks to be left alone.
        """
        self._turnstile.strike(self.rollout_id, error)
        if not self._said and (wait or error.kind == "unreachable" or error.status in _BUSY):
            self._said = True
            self._turnstile.failed(self, wait)
        self.leave()

    def leave(self) -> None:
        """The request is over, or what is left of it does not count. Idempotent."""
        if not self._left:
            self._left = True
            self._turnstile.left(self, told=self._said)


class Turnstile:
    """The line before one server. It belongs to one event loop.

    Args:
        first: Seconds for which it shuts first when the server asks for no time; doubled each further time.
    """

    def __init__(self, first: float = 0.5) -> None:
        self.incidents = 0
        """How often it has shut."""
        self.requests = 0
        """All that went through so far."""
        self._first = first
        self._opens = -math.inf
        self._let_in = -math.inf
        self._asked = False  # for the time until it opens
        self._why = ""
        self._row = 0  # failures since the last answer
        self._streak = 0  # times it has shut since the last answer
        self._untold = False  # the last one inside left before anything was known of it
        self._room: int | None = None  # requests that may be under way; None: any number
        self._inside: dict[Turn, None] = {}
        self._line: OrderedDict[_Place, None] = OrderedDict()
        self._strikes: OrderedDict[str, int] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._line)

    def wait(self) -> float:
        """Seconds until somebody may try; 0.0 if it is not shut."""
        return max(0.0, self._opens - anyio.current_time())

    @asynccontextmanager
    async def turn(self, rollout_id: str = "", ends: float | None = None) -> AsyncGenerator[Turn]:
        """Wait for a turn, and have it until the block ends.

        Args:
            rollout_id: Whose request it is; requests of nobody's are not counted.
            ends: Until when the rollout may wait at all, on the event loop's clock; ``None``: as long as the
                caller's own scopes let it.

        Raises:
            ModelError: The rollout has lost as many requests as it may, or the server asks for more time than is left.
        """
        mine = anyio.current_effective_deadline()
        place = _Place(rollout_id, mine, mine if ends is None else ends)
        self._line[place] = None
        try:
            await self._admitted(place)
        finally:
            del self._line[place]
            self._next()
        turn = Turn(self, rollout_id)
        self._inside[turn] = None
        self._let_in = anyio.current_time()
        self._untold = False
        self.requests += 1
        try:
            yield turn
        finally:
            turn.leave()

    def lost(self, rollout_id: str) -> int:
        """Requests this rollout has lost since its last answer."""
        return self._strikes.get(rollout_id, 0)

    def spent(self, rollout_id: str) -> ModelError | None:
        """Why this rollout may ask no more, if it may not."""
        lost = self.lost(rollout_id)
        if lost < REQUESTS:
            return None
        text = f"{self._why}; {lost} requests of this rollout have failed in a row, so no more are sent"
        return ModelError("unavailable", text, retryable=False)

    async def _admitted(self, place: _Place) -> None:
        while True:
            if (spent := self.spent(place.rollout_id)) is not None:
                raise spent
            if self._opens > place.ends:
                raise self._too_long(place)
            until = self._until(place)
            if until <= anyio.current_time():
                return
            await place.wait(until)

    def _until(self, place: _Place) -> float:
        """When to look again; the past for somebody who may go through."""
        if self._first_in_line() is not place:
            return math.inf
        if self._room is None or (len(self._inside) < self._room and not self._untold):
            return self._opens
        return max(self._opens, self._let_in + _UNHEARD_SECONDS)

    def _first_in_line(self) -> _Place | None:
        """Past those whose rollouts have as many requests under way as they could lose."""
        return next((place for place in self._line if not self._all_at_risk(place.rollout_id)), None)

    def _all_at_risk(self, rollout_id: str) -> bool:
        lost = self.lost(rollout_id)
        if not 0 < lost < REQUESTS:
            return False
        return lost + sum(turn.rollout_id == rollout_id for turn in self._inside) >= REQUESTS

    def _too_long(self, place: _Place) -> ModelError:
        text = f"{self._why}, so it is left alone for {self.wait():.0f} s more, longer than this call may wait"
        return ModelError("unavailable", text, retryable=self._opens <= place.rollout_ends)

    def opened(self, turn: Turn) -> None:
        """It answers."""
        self._row = 0
        if turn.incident != self.incidents and self._asked:
            return  # it was asked before it said that it needs time
        self._streak = 0
        self._opens, self._asked = -math.inf, False
        if self._room is not None:
            self._room = max(self._room, len(self._inside)) + _MORE
            if self._room > len(self._line) + len(self._inside):
                self._room = None
        self._next()

    def failed(self, turn: Turn, wait: float | None) -> None:
        """It does not, and asks for so many seconds."""
        self._row += 1
        if wait:
            self._shut(turn, wait + random.uniform(0, min(_MOST_JITTER, _JITTER * wait)), asked=True)  # noqa: S311 - spreading load
        elif self._row >= _IN_A_ROW and turn.incident == self.incidents:
            self._shut(turn, backoff(self._streak + 1, self._first), asked=False)

    def _shut(self, turn: Turn, seconds: float, *, asked: bool) -> None:
        if turn.incident == self.incidents:
            self.incidents += 1
            self._streak += 1
        self._opens = max(self._opens, anyio.current_time() + seconds)
        self._asked = self._asked or asked
        self._room = 1
        for place in self._line:
            if place.ends < self._opens:
                place.call()

    def strike(self, rollout_id: str, error: ModelError) -> None:
        """A request of this rollout has failed."""
        self._why = error.message
        if rollout_id:
            self._strikes[rollout_id] = self._strikes.pop(rollout_id, 0) + 1
            if len(self._strikes) > _REMEMBERED:
                self._strikes.popitem(last=False)

    def forgive(self, rollout_id: str) -> None:
        """A request of this rollout was answered."""
        self._strikes.pop(rollout_id, None)

    def left(self, turn: Turn, *, told: bool) -> None:
        """A request is over, and its result known or not."""
        self._inside.pop(turn, None)
        self._untold = not told
        self._next()

    def _next(self) -> None:
        """Have the first in line look again."""
        first = self._first_in_line()
        if first is not None:
            first.call()


class _Place:
    """Somebody's place in the line."""

    def __init__(self, rollout_id: str, ends: float, rollout_ends: float) -> None:
        self.rollout_id = rollout_id
        self.ends = ends
        """Until when it can wait."""
        self.rollout_ends = rollout_ends
        """Until when another call of its rollout could."""
        self._called = anyio.Event()

    def call(self) -> None:
        """Have it look again."""
        self._called.set()

    async def wait(self, until: float) -> None:
        """Until it is called, and no longer than this."""
        with anyio.CancelScope(deadline=until):
            await self._called.wait()
        self._called = anyio.Event()
