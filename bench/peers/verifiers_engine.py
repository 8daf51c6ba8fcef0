"""The same rollouts through verifiers' subprocess runtime, for ``engine.py``: ``lap {url, count, concurrency}``."""

from __future__ import annotations

import asyncio
import logging
import os

import verifiers.v1 as vf
from verifiers.v1.agent import Agent, AgentConfig
from verifiers.v1.clients import EvalClientConfig, ModelContext
from verifiers.v1.harness import Harness
from verifiers.v1.harnesses.null import NullHarnessConfig
from verifiers.v1.runtimes import ProgramResult, Runtime, SubprocessConfig
from verifiers.v1.task import Task, TaskData
from verifiers.v1.trace import Trace

from _child import Fields, attend
from _engine_load import measured, program


class Four(Harness[NullHarnessConfig]):
    """Starts the agent."""

    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: ModelContext,
        trace: Trace,
        runtime: Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: TaskData,
    ) -> ProgramResult:
        env = {"OPENAI_BASE_URL": endpoint, "OPENAI_API_KEY": secret, "OPENAI_MODEL": ctx.model}
        return await runtime.run_program(program(), env)


class Trivial(Task):
    """Is solved."""

    @vf.reward
    async def solved(self, runtime: Runtime) -> float:
        return float((await runtime.run(["/bin/sh", "-c", "true"], {})).exit_code == 0)


async def play(agent: Agent, count: int, concurrency: int) -> None:
    """So many rollouts, all of which have to succeed."""
    room = asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with room:
            trace = await agent.run(Trivial(TaskData(prompt=f"go {number}")))
        if trace.reward != 1.0:
            raise SystemExit(f"a rollout failed: {trace}")

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


async def lap(fields: Fields) -> Fields:
    """What so many have cost this process."""
    config = AgentConfig(
        model="bench",
        client=EvalClientConfig(base_url=f"{fields['url']}/v1", api_key_var="BENCH_NONE"),
        runtime=SubprocessConfig(),
        harness=NullHarnessConfig(id="null"),
    )
    agent = Agent(config)
    agent.harness = Four(NullHarnessConfig(id="null"))
    found: Fields = {}
    async with measured(fields["count"], found), agent:
        await play(agent, fields["count"], fields["concurrency"])
    return found


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    os.environ["BENCH_NONE"] = "none"
    asyncio.run(attend({"lap": lap}))
