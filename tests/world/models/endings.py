"""One rollout against a server that says one thing, and what became of it."""

from __future__ import annotations

from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.specs import BlackBox, Simulated, TaskSpec, Upstream
from greenroom.specs.agents.simulated import SIMULATED
from tests.world.models.server import Said, serving

AGENT = replace(SIMULATED, name="asking", may_be_silent=False)
"""Does nothing without an answer."""
TASK = TaskSpec(id="t", instruction="x", verify=("true",), deadline=60)


async def play(*said: Said, black_box: bool = False, turns: int = 1, tries: int = 4) -> tuple[Outcome, int]:
    """The outcome of an agent of so many turns, and how many requests its model's server got.

    The last thing said is said again and again. An upstream is asked at most ``tries`` times for one answer.
    """
    async with serving(*said) as server:
        url = f"{server.url}/v1"
        model = BlackBox(url, model="m") if black_box else Upstream(url, model="m", attempts=tries)
        sandbox = Simulated(boot=0.001, turn=0.001, turns=turns)
        async with Engine(AGENT, model=model, sandbox=sandbox, attempts=1) as engine:
            (outcome,) = [outcome async for outcome in engine.run([TASK])]
        return outcome, len(server.asked)
