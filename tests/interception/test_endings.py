"""Every call ends exactly once, in whatever order agents, owners, clocks and attempts have their say."""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from greenroom.interception import Endpoint, Limits, Request, Routes
from greenroom.interception.exchange import Pending, Ticket
from greenroom.interception.gate import GateModel, PendingCall
from greenroom.interception.routes import Route
from greenroom.interception.session import Exchange, Session
from greenroom.messages import Completion, ModelCall, Text
from tests.interception.dialogue import NAMES, ask, carrying
from tests.interception.talk import serving

pytestmark = pytest.mark.anyio

KINDS = (Route, Session, Exchange, Pending, Ticket, PendingCall, GateModel)
LIMITS = Limits(grace=3, answer_seconds=40, in_flight=3, requests=6, remembered=2, keepalive=2)


class World:
    """Some attempts, their agents, and an owner behind a gate; everybody acts at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.gate = GateModel(limit=12)
        self.routes = Routes(LIMITS)
        self.open: list[Route] = []
        self.in_hand: list[PendingCall] = []
        self.answered: Counter[PendingCall] = Counter()
        """How often an end of a call was taken for its first, by call."""
        self.responses: list[int | str] = []
        self.requests = 0

    async def live(self, endpoint: Endpoint, steps: int) -> None:
        """So many steps; afterwards everything is closed."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._take)
            for _ in range(steps):
                step = self.random.choice(
                    [self._open, self._close, *[self._request] * 5, *[self._answer] * 4, self._pause]
                )
                step(endpoint, tasks)
                if self.random.random() < 0.5:
                    await anyio.sleep(self.random.choice([0, 0, 0.5, 2, 7, 50]))
            self.gate.resume()
            for route in self.open:
                assert route.remembered <= LIMITS.remembered + LIMITS.requests
                self.routes.close(route)
                assert route.remembered == 0
            await self.gate.close()

    def _open(self, endpoint: Endpoint, tasks: Any) -> None:  # noqa: ANN401 - a task group
        number = len(self.routes)
        self.open.append(self.routes.open(self.gate, rollout_id=f"r{number}", max_turns=self.random.choice([None, 4])))

    def _close(self, endpoint: Endpoint, tasks: Any) -> None:  # noqa: ANN401
        if self.open and self.random.random() < 0.3:
            self.routes.close(self.open.pop(self.random.randrange(len(self.open))))

    def _request(self, endpoint: Endpoint, tasks: Any) -> None:  # noqa: ANN401
        if self.open:
            key = self.random.choice(self.open).key
            text = str(self.random.randrange(12))
            headers = {"x-stainless-retry-count": "1"} if self.random.random() < 0.3 else {}
            sent = ask(self.random.choice(NAMES[:2]), key, text, stream=self.random.random() < 0.5)
            self.requests += 1
            tasks.start_soon(
                self._agent,
                endpoint,
                carrying(sent, headers),
                self.random.choice([1, 5, 1000]),
                self.random.randrange(4),
            )

    async def _agent(self, endpoint: Endpoint, sent: Request, patience: float, pieces: int) -> None:
        """Ask, and read to the end, or go away at some point."""
        with anyio.move_on_after(patience) as scope:
            response = await endpoint.handle(sent)
            body = response.body
            if isinstance(body, bytes):
                self.responses.append(response.status)
                return
            try:
                read = b"".join([piece async for piece in body]) if pieces else await anext(body)
                self.responses.append("stream" if read else "nothing")
            finally:
                await body.aclose()
        if scope.cancelled_caught:
            self.responses.append("gone")

    async def _take(self) -> None:
        async for batch in self.gate.calls(4, linger=0):
            self.in_hand += batch

    def _answer(self, endpoint: Endpoint, tasks: Any) -> None:  # noqa: ANN401
        if self.in_hand:
            call = self.in_hand[self.random.randrange(len(self.in_hand))]
            reply = partial(call.reply, Completion(parts=(Text("ok"),)))
            ends: list[Callable[[], bool]] = [reply, reply, reply, call.fail, call.overflow]
            first = self.random.choice(ends)()
            self.answered[call] += first
            assert call.ended
            if self.random.random() < 0.7:
                self.in_hand.remove(call)

    def _pause(self, endpoint: Endpoint, tasks: Any) -> None:  # noqa: ANN401
        self.random.choice([self.gate.pause, self.gate.resume, self.gate.resume])()


@pytest.mark.parametrize("first", range(0, 40, 20))
async def test_every_call_ends_exactly_once(first: int) -> None:
    """Each request gets one response, each call one end, and nothing of anything is left, counted by kind."""
    before = census()
    for seed in range(first, first + 20):
        await live(World(seed))
    assert census() == before


async def live(world: World) -> None:
    """The life of a world, and what is left of it."""
    async with serving(world.routes) as endpoint:
        await world.live(endpoint, 120)
        assert len(world.responses) == world.requests
        assert set(world.answered.values()) <= {0, 1}
        assert all(call.ended for call in world.in_hand)
        assert (len(world.gate), len(world.routes), endpoint._tasks is not None) == (0, 0, True)
    assert {route.waiting for route in world.open} <= {0}


def census() -> Counter[str]:
    """How many there are of everything that a call leaves behind."""
    gc.collect()
    kinds = {*KINDS, ModelCall}
    return Counter(type(found).__name__ for found in gc.get_objects() if type(found) in kinds)
