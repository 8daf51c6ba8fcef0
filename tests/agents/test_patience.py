"""A model may take its time: a trainer that owns the forward pass holds calls for as long as it likes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest

from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import AgentSpec
from tests.agents.conftest import prefix_of
from tests.agents.proving import ALL, PROVED, doing, play, turns

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.needs("bwrap"),
    pytest.mark.timeout(1500),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
SIX_MINUTES = 370.0

if ALL:

    async def test_a_reply_may_take_six_minutes() -> None:
        """Every agent at once, each of which gets its first answer after six minutes, finishes as if nothing were."""
        outcomes: dict[str, Outcome] = {}
        for spec in PROVED:
            await prefix_of(spec)
        async with anyio.create_task_group() as tasks:
            for spec in PROVED:
                tasks.start_soon(patiently, spec, outcomes)
        told = {name: (outcome.status, outcome.reward, outcome.fault) for name, outcome in outcomes.items()}
        assert told == dict.fromkeys((spec.name for spec in PROVED), ("completed", 1.0, None))
        first = {name: [turn.seconds > SIX_MINUTES for turn in outcome.turns] for name, outcome in outcomes.items()}
        assert all(sum(slow) == 1 for slow in first.values()), first


async def patiently(spec: AgentSpec, outcomes: dict[str, Outcome]) -> None:
    """Play one agent."""
    model = partial(slow, doing("echo hello > hello.txt"))
    outcomes[spec.name] = await play(spec, model, verify=("grep -qx hello hello.txt",), deadline=1200.0)


async def slow(then: Callable[[ModelCall], Awaitable[Completion]], call: ModelCall) -> Completion:
    """Think for six minutes at the beginning of the work."""
    if call.tools and not turns(call):
        await anyio.sleep(SIX_MINUTES)
    return await then(call)
