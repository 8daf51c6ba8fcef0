"""The same rollouts through greenroom, for ``engine.py``: ``_engine_ours.py URL COUNT CONCURRENCY``."""

from __future__ import annotations

import asyncio
import sys

from _engine_load import CALLS, measured, program, say
from greenroom.engine import Engine
from greenroom.specs import AgentSpec, Invocation, Launch, Local, TaskSpec, Upstream

_WARM = 4


def command(launch: Launch) -> Invocation:
    """The agent."""
    env = {"OPENAI_BASE_URL": launch.base_url, "OPENAI_API_KEY": launch.api_key, "OPENAI_MODEL": launch.model}
    return Invocation(argv=tuple(program()), env=env)


async def play(url: str, count: int, concurrency: int) -> None:
    """So many rollouts, all of which have to succeed."""
    agent = AgentSpec(name="four", dialect="chat", command=command)
    model = Upstream(f"{url}/v1", model="bench", token_ids=False)
    tasks = [TaskSpec(id=f"t{n}", instruction="go", verify=("true",)) for n in range(count)]
    async with Engine(agent, model=model, sandbox=Local(), concurrency=concurrency, console=False) as engine:
        async for outcome in engine.run(tasks):
            if outcome.reward != 1.0 or len(outcome.turns) != CALLS:
                raise SystemExit(f"a rollout failed: {outcome}")


async def main() -> None:
    url, count, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    await play(url, _WARM, _WARM)
    found: dict[str, float] = {}
    async with measured(count, found):
        await play(url, count, concurrency)
    say(found)


if __name__ == "__main__":
    asyncio.run(main())
