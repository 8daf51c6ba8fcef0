"""Routes: which key belongs to which attempt.

A key is the only identity an agent has. It is made for one attempt, is good for nothing else, and is worth nothing
from the moment the attempt's route is closed. All methods belong to one event loop.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial

import anyio
from msgspec import Struct
from msgspec.structs import replace

from greenroom.interception import dialects
from greenroom.interception.completion import OUT_OF_CALLS, OUT_OF_CONTEXT, AnswerError, checked, unusable
from greenroom.interception.errors import FLOOD, ModelError, RefusedError
from greenroom.interception.exchange import Pending, Result, Ticket
from greenroom.interception.hold import Timekeeper
from greenroom.interception.limits import Limits
from greenroom.interception.memory import Memory
from greenroom.interception.pace import Pace
from greenroom.interception.passage import Passage
from greenroom.interception.session import Action, Counters, Exchange, Session, fingerprint
from greenroom.messages import Completion, ModelCall

Answer = Callable[[ModelCall], Awaitable[Completion]]
"""Answers a call or raises `ModelError`. It is cancelled when nobody wants the answer any more."""

_KEY_BYTES = 32
# What only the model's owner needs; the answer is kept for retries without it.
_OWNERS = {"prompt_token_ids": None, "completion_token_ids": None, "logprobs": None, "routing": None}


class Identity(Struct, frozen=True, kw_only=True):
    """Whose calls come over a route; copied into every `ModelCall`."""

    rollout_id: str
    task_id: str = ""
    attempt: int = 1
    sample: int = 0


class Route:
    """One attempt's way to its model. Made by `Routes.open`."""

    def __init__(
        self,
        answer: Answer,
        identity: Identity,
        model: str,
        max_turns: int | None,
        limits: Limits,
        passage: Passage | None = None,
        timekeeper: Timekeeper | None = None,
    ) -> None:
        self.key = secrets.token_urlsafe(_KEY_BYTES)
        self.identity = identity
        self.model = model
        """The one model the agent is told there is."""
        self.passage = passage
        """Where requests go as they are, if it is not to ``answer``."""
        self.memory = Memory(limits.memory)
        """What was said before, for an agent that refers to it."""
        self.pace = Pace(limits.per_second, limits.burst)
        self._fault: ModelError | None = None
        self._answer: Answer | None = answer
        self._limits = limits
        self._timekeeper = timekeeper
        self._session = Session(max_turns, limits.remembered)
        self._pending: dict[bytes, Pending] = {}
        self._slots: anyio.Semaphore | None = None  # most routes wait for their agent to begin
        self._requests = 0
        self._overflowed = False

    def __repr__(self) -> str:
        return f"<Route of {self.identity.rollout_id!r}, {'closed' if self.closed else 'open'}>"

    @property
    def closed(self) -> bool:
        """Whether the key is revoked."""
        return self._answer is None

    @property
    def called(self) -> bool:
        """Whether the agent ever asked its model, whatever became of that."""
        passed = self.passage is not None and self.passage.called
        return self.counters.calls + self.counters.refused > 0 or passed

    @property
    def truncated(self) -> bool:
        """Whether the agent was ended politely: out of calls, or out of context."""
        passed = self.passage is not None and self.passage.truncated
        return self._session.truncated or self._overflowed or passed

    @property
    def fault(self) -> ModelError | None:
        """Why the latest call failed; ``None`` again once one succeeds. For the outcome, never for the agent."""
        return self._fault if self.passage is None else self.passage.fault

    @property
    def counters(self) -> Counters:
        """What the agent asked for so far."""
        return self._session.counters

    @property
    def waiting(self) -> int:
        """Calls whose answer is awaited."""
        return sum(pending.result is None for pending in self._pending.values())

    @property
    def remembered(self) -> int:
        """Calls that are held in memory, finished or not."""
        return len(self._pending)

    @contextmanager
    def visit(self) -> Generator[None]:
        """Count one open request. Raises `RefusedError` when there are too many."""
        if self._requests >= self._limits.requests:
            raise RefusedError(FLOOD)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def enter(self, call: ModelCall, *, idempotency_key: str = "", retry: bool = False) -> Ticket:
        """Take part in the exchange ``call`` belongs to. `Ticket.leave` has to follow."""
        action, exchange = self._session.request(fingerprint(call, idempotency_key), retry=retry)
        if exchange is None:
            return self._farewell(call)
        call = self._identified(call, exchange.index)
        starts = action in (Action.START, Action.RESTART)
        pending = self._start(exchange) if starts else self._pending[exchange.identity]
        pending.wanted()
        return Ticket(
            call,
            pending,
            run=partial(self._run, exchange, pending, call) if starts else None,
            on_sent=partial(self._session.sent, exchange),
            on_left=partial(self._left, exchange, pending),
        )

    def close(self) -> None:
        """Revoke, cancel what is awaited, tell those who wait, forget everything. `Routes.close` calls it."""
        self._answer = None
        if self.passage is not None:
            self.passage.close()
        for pending in self._pending.values():
            pending.cancel()
            pending.settle(ModelError("closed", "the attempt has ended"))
        self._pending.clear()
        self._session.close()
        self.memory.clear()

    def _identified(self, call: ModelCall, index: int) -> ModelCall:
        who = self.identity
        return replace(
            call,
            id=f"{who.rollout_id}.{who.attempt}.{index}",
            rollout_id=who.rollout_id,
            task_id=who.task_id,
            attempt=who.attempt,
            sample=who.sample,
            index=index,
        )

    def _farewell(self, call: ModelCall) -> Ticket:
        pending = Pending(anyio.current_time())
        pending.settle(OUT_OF_CALLS)
        return Ticket(self._identified(call, self.counters.calls), pending)

    def _start(self, exchange: Exchange) -> Pending:
        pending = Pending(anyio.current_time() + self._limits.answer_seconds, self._timekeeper)
        self._pending[exchange.identity] = pending
        return pending

    def _left(self, exchange: Exchange, pending: Pending) -> None:
        if self._session.left(exchange) is Action.GRACE and not self.closed:
            pending.unwanted(self._limits.grace)

    async def _run(self, exchange: Exchange, pending: Pending, call: ModelCall) -> None:
        result: Result = ModelError("stopped", "the interception server is stopping")
        scope = pending.scope
        if scope is None:  # the route was closed before this began
            return
        try:
            with scope:
                result = await self._ask(pending, call)
            if scope.cancelled_caught:
                result = ModelError("expired", "the answer took too long", retryable=False)
        finally:
            self._settle(exchange, pending, result)

    async def _ask(self, pending: Pending, call: ModelCall) -> Result:
        try:
            if self._slots is None:
                self._slots = anyio.Semaphore(self._limits.in_flight, fast_acquire=True)
            async with self._slots:
                if self._answer is None:
                    return ModelError("closed", "the attempt has ended")
                pending.asked()
                answer = replace(checked(await self._answer(call)), **_OWNERS)
                dialects.remember(call, answer, self.memory)
                return answer
        except ModelError as error:
            return error
        except AnswerError as error:
            return unusable(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a model raises becomes a value here
            # The text of a foreign exception may hold anything, keys included; its type does not.
            crashed = ModelError("crashed", f"the model raised {type(error).__name__}")
            crashed.__cause__ = error
            return crashed

    def _settle(self, exchange: Exchange, pending: Pending, result: Result) -> None:
        if isinstance(result, ModelError) and result.kind == "context_length":
            self._overflowed = True
            result = OUT_OF_CONTEXT
        if not self.closed:
            self._conclude(exchange, result)
        pending.settle(result)

    def _conclude(self, exchange: Exchange, result: Result) -> None:
        # An answer that was let go because the agent hung up is nobody's fault.
        if exchange.waiters:
            self._fault = result if isinstance(result, ModelError) else None
        for forgotten in self._session.settled(exchange, succeeded=not isinstance(result, ModelError)):
            del self._pending[forgotten]


class Routes:
    """All open routes. Keys are looked up by digest and compared in constant time."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._routes: dict[bytes, Route] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def open(
        self,
        answer: Answer,
        *,
        rollout_id: str,
        task_id: str = "",
        attempt: int = 1,
        sample: int = 0,
        model: str = "greenroom",
        max_turns: int | None = None,
        passage: Passage | None = None,
        timekeeper: Timekeeper | None = None,
    ) -> Route:
        """A new route with a key of its own.

        Args:
            answer: Who answers its calls.
            rollout_id: Copied into every call, as are ``task_id``, ``attempt`` and ``sample``.
            task_id: See ``rollout_id``.
            attempt: See ``rollout_id``.
            sample: See ``rollout_id``.
            model: The name of the model the agent is shown.
            max_turns: Calls the agent may make; the next one is answered with a last word, and marks the route
                truncated. ``None``: no limit.
            passage: Where requests go as they are, instead of to ``answer``; it counts the agent's calls itself.
            timekeeper: Told while the model's side holds calls of the agent.
        """
        identity = Identity(rollout_id=rollout_id, task_id=task_id, attempt=attempt, sample=sample)
        route = Route(answer, identity, model, max_turns, self.limits, passage, timekeeper)
        self._routes[_digest(route.key)] = route
        return route

    def find(self, key: str) -> Route | None:
        """The open route ``key`` belongs to."""
        route = self._routes.get(_digest(key))
        if route is None or not hmac.compare_digest(_digest(route.key), _digest(key)):
            return None
        return route

    def close(self, route: Route) -> None:
        """Revoke the key at once, cancel what is awaited, and forget the route. Idempotent."""
        self._routes.pop(_digest(route.key), None)
        route.close()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
