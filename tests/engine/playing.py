"""What the engine's tests play with: a task, a model, agents that are simulated, and the engine's inside."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any

import anyio

from greenroom.actors.stage import Stage
from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.sandboxes.simulated import SimulatedBackend
from greenroom.specs import AgentSpec, Invocation, Launch, Simulated, TaskSpec


def a_task(id: str = "t", **fields: Any) -> TaskSpec:  # noqa: ANN401 - fields of all types
    """A task whose verification succeeds, unless the fields say otherwise."""
    usual: dict[str, Any] = {"id": id, "instruction": "do it", "verify": ("true",)}
    return TaskSpec(**(usual | fields))


def tasks(count: int) -> list[TaskSpec]:
    """As many tasks."""
    return [a_task(f"t{number}") for number in range(count)]


async def answer(call: ModelCall) -> Completion:
    """A model that takes a second."""
    await anyio.sleep(1)
    return Completion(parts=(Text(f"answer {call.index}"),))


async def quick(call: ModelCall) -> Completion:
    """A model that takes no time."""
    return Completion(parts=(Text(f"answer {call.index}"),))


def shell_agent(command: str, *, exit_code_lies: bool = False, may_be_silent: bool = True) -> AgentSpec:
    """An agent that is one shell command and never calls its model."""

    def build(launch: Launch) -> Invocation:
        return Invocation(argv=("/bin/sh", "-c", command), stdin=launch.instruction)

    return AgentSpec(
        name="shell",
        dialect="chat",
        command=build,
        exit_code_lies=exit_code_lies,
        may_be_silent=may_be_silent,
    )


def an_engine(agent: str | AgentSpec = "simulated", **options: Any) -> Engine:  # noqa: ANN401 - options of all types
    """An engine with simulated sandboxes, unless the options say otherwise."""
    usual: dict[str, Any] = {"model": answer, "sandbox": Simulated(), "concurrency": 50}
    return Engine(agent, **(usual | options))


async def play(engine: Engine, work: Iterable[TaskSpec] | AsyncIterable[TaskSpec], samples: int = 1) -> list[Outcome]:
    """Run all of it in an engine of its own, and assert that nothing is left."""
    async with engine:
        outcomes = [outcome async for outcome in engine.run(work, samples)]
        assert_clean(engine)
    return outcomes


async def play_one(engine: Engine, task: TaskSpec) -> Outcome:
    """The outcome of one task."""
    (outcome,) = await play(engine, [task])
    return outcome


def stage(engine: Engine) -> Stage:
    """What the engine's actors share."""
    assert engine._stage is not None
    return engine._stage


def backend(engine: Engine) -> SimulatedBackend:
    """The engine's simulated sandboxes."""
    found = stage(engine).backend
    assert isinstance(found, SimulatedBackend)
    return found


def assert_clean(engine: Engine) -> None:
    """No rollout runs, no sandbox lives, no key is good."""
    assert engine.snapshot().running == 0
    assert backend(engine).live == 0
    assert len(stage(engine).routes) == 0
    assert (stage(engine).leases, stage(engine).doors.routes) == ({}, {})
    assert [row.path for row in engine.system.tree("/engine/rollouts")] == ["/engine/rollouts"]
