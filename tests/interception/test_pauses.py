"""Agents while their model's weights are changed: held, for as long as it takes."""

from __future__ import annotations

import anyio
import pytest

from greenroom.interception import Limits, Routes
from greenroom.interception.gate import GateModel
from greenroom.interception.wire import Response
from tests.interception.dialogue import NAMES, ask
from tests.interception.talk import HELLO, serving
from tests.interception.test_gate import batch

pytestmark = pytest.mark.anyio

UPDATE = 1800.0


@pytest.mark.parametrize("name", NAMES)
async def test_a_pause_is_kept_alive(name: str) -> None:
    """While the gate is paused streams go on in each dialect's harmless way, never silent for long, then answer."""
    routes, gate = Routes(Limits(keepalive=10)), GateModel()
    route = routes.open(gate, rollout_id="r")
    silences: list[float] = []
    read: list[bytes] = []

    async def agent(response: Response) -> None:
        assert not isinstance(response.body, bytes)
        latest = anyio.current_time()
        async for piece in response.body:
            silences.append(anyio.current_time() - latest)
            latest = anyio.current_time()
            read.append(piece)
        await response.body.aclose()

    gate.pause()
    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        tasks.start_soon(agent, await endpoint.handle(ask(name, route.key, stream=True)))
        await anyio.sleep(UPDATE)
        assert len(gate) == 1
        gate.resume()
        (call,) = await batch(gate)
        assert call.reply(HELLO)
    assert max(silences) <= 10
    assert len(read) >= UPDATE / 10
    assert b"hello" in b"".join(read[-2:])
    assert b"hello" not in b"".join(read[:-2])


@pytest.mark.parametrize("name", NAMES)
async def test_a_call_in_hand_can_be_answered_during_a_pause(name: str) -> None:
    """What was handed out before the weights changed is answered with the old ones, and says so."""
    routes, gate = Routes(), GateModel()
    route = routes.open(gate, rollout_id="r")
    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        statuses: list[int] = []

        async def agent() -> None:
            statuses.append((await endpoint.handle(ask(name, route.key))).status)

        tasks.start_soon(agent)
        (call,) = await batch(gate)
        gate.pause()
        assert call.reply(HELLO)
        await anyio.wait_all_tasks_blocked()
        assert statuses == [200]
