"""`greenroom agents try` with a real agent."""

from __future__ import annotations

import pytest

from greenroom.engine.agent_check import check
from greenroom.specs import Local
from greenroom.specs.agents import PI

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.needs("bwrap", "npm"),
    pytest.mark.timeout(900),  # the first test of an agent waits for its installation
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def test_pi_passes_every_step(pi_prefix: str) -> None:
    """The real program is installed, checked, told what to do, and does it: no step fails, and none is left out."""
    found = await check(PI, Local(), seconds=90)
    assert {step.name: step.state for step in found.steps if step.state != "ok"} == {}, found
    assert next(step for step in found.steps if step.name == "installed").detail.endswith(pi_prefix)
