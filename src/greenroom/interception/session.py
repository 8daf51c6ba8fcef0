"""One request, one turn: which requests of an agent are the same call, and what becomes of each.

An SDK that loses its connection, or gives up on a slow answer, sends the same request again. Answered naively that
is a second sample and a second turn; here it joins the first while that is pending and gets its answer afterwards.

Theory. Two requests are the same when they ask the same (`fingerprint`; whether the reply is streamed does not count)
under the same idempotency key, if they have one. That alone does not tell a retry from an agent that asks the same
thing twice on purpose, so the state decides: while the answer is pending or has not been delivered in full, the same
request is a retry; once it has been delivered, it is one only if it says so by its headers. SDK-level headers are not
enough by themselves, because agents also retry above their SDK, where the retry count starts again from zero. An
answer that failed is not kept: the same request starts the call again, under the same id and without being counted
against the budget.

Nothing here waits, knows the time or does I/O. What happens is decided by `TABLE` alone; everything about an
exchange's state must live there.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum

import msgspec
from msgspec import Struct

from greenroom.interception.dialects.responses_memory import own
from greenroom.messages import ModelCall


class State(Enum):
    """Where an exchange is."""

    PENDING = "pending"
    """The answer is awaited, and somebody waits for it."""
    ORPHANED = "orphaned"
    """The answer is awaited, for a short grace, though nobody waits any more."""
    ANSWERED = "answered"
    """The answer is there; nobody has got all of it yet."""
    DELIVERED = "delivered"
    """Somebody has got all of the answer."""
    LAPSED = "lapsed"
    """There is no answer: it failed, took too long, or nobody came back for it."""


class Event(Enum):
    """What happens to an exchange."""

    SAME = "same request"
    RETRY = "declared retry"
    """The same request, and its headers say that it is a retry."""
    LEFT = "last one left"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SENT = "sent in full"


class Action(Enum):
    """What the shell has to do about it."""

    START = "start"
    """Ask the model: a call of its own, counted."""
    RESTART = "restart"
    """Ask the model again for the same call, not counted."""
    JOIN = "join"
    """Wait for the answer that is awaited already; it is wanted again if it was not."""
    REPLAY = "replay"
    """Give the answer that is there."""
    GRACE = "grace"
    """Let the answer go unless somebody comes back for it in time."""
    SETTLE = "settle"
    """Tell all who wait."""
    NOTHING = "nothing"
    REFUSE = "refuse"
    """The budget of calls is used up: end the agent politely."""


TABLE: Mapping[tuple[State, Event], tuple[State, Action]] = {
    (State.PENDING, Event.SAME): (State.PENDING, Action.JOIN),
    (State.PENDING, Event.RETRY): (State.PENDING, Action.JOIN),
    (State.PENDING, Event.LEFT): (State.ORPHANED, Action.GRACE),
    (State.PENDING, Event.SUCCEEDED): (State.ANSWERED, Action.SETTLE),
    (State.PENDING, Event.FAILED): (State.LAPSED, Action.SETTLE),
    (State.ORPHANED, Event.SAME): (State.PENDING, Action.JOIN),
    (State.ORPHANED, Event.RETRY): (State.PENDING, Action.JOIN),
    (State.ORPHANED, Event.SUCCEEDED): (State.ANSWERED, Action.SETTLE),
    (State.ORPHANED, Event.FAILED): (State.LAPSED, Action.SETTLE),
    (State.ANSWERED, Event.SAME): (State.ANSWERED, Action.REPLAY),
    (State.ANSWERED, Event.RETRY): (State.ANSWERED, Action.REPLAY),
    (State.ANSWERED, Event.LEFT): (State.ANSWERED, Action.NOTHING),
    (State.ANSWERED, Event.SENT): (State.DELIVERED, Action.NOTHING),
    (State.DELIVERED, Event.SAME): (State.DELIVERED, Action.START),
    (State.DELIVERED, Event.RETRY): (State.DELIVERED, Action.REPLAY),
    (State.DELIVERED, Event.LEFT): (State.DELIVERED, Action.NOTHING),
    (State.DELIVERED, Event.SENT): (State.DELIVERED, Action.NOTHING),
    (State.LAPSED, Event.SAME): (State.PENDING, Action.RESTART),
    (State.LAPSED, Event.RETRY): (State.PENDING, Action.RESTART),
    (State.LAPSED, Event.LEFT): (State.LAPSED, Action.NOTHING),
}


def table() -> str:
    """`TABLE` for people: one line per state and event."""
    rows = [(state.value, event.value, new.value, action.value) for (state, event), (new, action) in TABLE.items()]
    return "\n".join("{:<10} + {:<14} -> {:<10} {}".format(*row) for row in rows)


class Exchange:
    """One call of the agent, however often it is requested."""

    __slots__ = ("identity", "index", "state", "waiters")

    def __init__(self, identity: bytes, index: int) -> None:
        self.identity = identity
        self.index = index
        self.state = State.PENDING
        self.waiters = 0

    def apply(self, event: Event) -> Action:
        """Take the step `TABLE` gives for ``event``."""
        self.state, action = TABLE[self.state, event]
        return action

    @property
    def finished(self) -> bool:
        """Whether nothing is awaited any more."""
        return self.state not in (State.PENDING, State.ORPHANED)


class Counters(Struct):
    """What one attempt's agent asked for."""

    requests: int = 0
    """Requests of any kind that came with its key, refused ones included."""
    calls: int = 0
    """Distinct calls, the ones that count against the budget."""
    joined: int = 0
    replayed: int = 0
    restarted: int = 0
    failed: int = 0
    refused: int = 0
    """Requests beyond the budget."""


class Session:
    """The exchanges of one attempt.

    Args:
        max_calls: How many calls the agent has; ``None``: as many as it likes.
        remembered: How many finished exchanges are kept for retries; the oldest is forgotten first.
    """

    def __init__(self, max_calls: int | None = None, remembered: int = 8) -> None:
        self.counters = Counters()
        self._max_calls = max_calls
        self._remembered = remembered
        self._exchanges: OrderedDict[bytes, Exchange] = OrderedDict()

    def __len__(self) -> int:
        return len(self._exchanges)

    @property
    def truncated(self) -> bool:
        """Whether the agent asked for more calls than it has."""
        return self.counters.refused > 0

    def request(self, identity: bytes, *, retry: bool) -> tuple[Action, Exchange | None]:
        """A request has come. With `Action.REFUSE` there is no exchange; otherwise `left` has to follow."""
        exchange = self._exchanges.get(identity)
        action = Action.START if exchange is None else exchange.apply(Event.RETRY if retry else Event.SAME)
        if action is Action.START:
            exchange = self._start(identity)
        if exchange is None:
            self.counters.refused += 1
            return Action.REFUSE, None
        exchange.waiters += 1
        self._count(action)
        return action, exchange

    def left(self, exchange: Exchange) -> Action:
        """A request that waited, or was being answered, is over."""
        exchange.waiters -= 1
        return Action.NOTHING if exchange.waiters else exchange.apply(Event.LEFT)

    def sent(self, exchange: Exchange) -> None:
        """A request has been answered in full."""
        exchange.apply(Event.SENT)

    def settled(self, exchange: Exchange, *, succeeded: bool) -> list[bytes]:
        """The model answered, or did not. Returns the identities that are forgotten for it."""
        exchange.apply(Event.SUCCEEDED if succeeded else Event.FAILED)
        self.counters.failed += not succeeded
        if self._exchanges.get(exchange.identity) is exchange:
            self._exchanges.move_to_end(exchange.identity)
        finished = [identity for identity, other in self._exchanges.items() if other.finished]
        forgotten = finished[: max(0, len(finished) - self._remembered)]
        for identity in forgotten:
            del self._exchanges[identity]
        return forgotten

    def close(self) -> None:
        """Forget everything."""
        self._exchanges.clear()

    def _start(self, identity: bytes) -> Exchange | None:
        if self._max_calls is not None and self.counters.calls >= self._max_calls:
            return None
        exchange = Exchange(identity, self.counters.calls)
        self._exchanges[identity] = exchange
        self._exchanges.move_to_end(identity)
        return exchange

    def _count(self, action: Action) -> None:
        self.counters.calls += action is Action.START
        self.counters.joined += action is Action.JOIN
        self.counters.replayed += action is Action.REPLAY
        self.counters.restarted += action is Action.RESTART


def fingerprint(call: ModelCall, idempotency_key: str = "") -> bytes:
    """What makes two requests the same call: all that is asked, and the idempotency key, if there is one."""
    call = own(call)
    extra = {name: item for name, item in call.extra.items() if name != "stream_options"}
    asked = (call.dialect, call.model, call.messages, call.tools, call.tool_choice, call.sampling, extra)
    # Agents whose maps have no order, codex among them, write the same fields in another one when they ask again.
    digest = hashlib.blake2b(msgspec.json.encode(asked, order="deterministic"), digest_size=16)
    digest.update(idempotency_key.encode(errors="surrogatepass"))
    return digest.digest()


def declares_retry(headers: Mapping[str, str]) -> bool:
    """Whether a request says of itself that it is a retry, as the official SDKs do."""
    if headers.get("idempotency-key"):
        return True
    count = headers.get("x-stainless-retry-count", "0")
    return count.isdecimal() and count.strip("0") != ""
