"""From what was asked for to what is to be done, everything checked, nothing started."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from greenroom.cli.errors import BadInput
from greenroom.cli.model_option import parse_model
from greenroom.cli.options import RunOptions
from greenroom.cli.sandbox_option import parse_sandbox
from greenroom.engine import Engine
from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.specs import AgentSpec, ModelSpec, SandboxSpec, Simulated, TaskSpec
from greenroom.specs.registry import agent_spec

if TYPE_CHECKING:
    from collections.abc import Callable

SHUTDOWN_SECONDS = 20.0
"""What rollouts are given to end in order when the engine is left."""


class RunPlan(Struct, frozen=True, kw_only=True):
    """A run, ready to start."""

    tasks: tuple[TaskSpec, ...]
    samples: int
    agent: AgentSpec
    sandbox: SandboxSpec
    model: ModelSpec
    out: Path
    limits: dict[str, Any]
    """Further keywords of `Engine`, where something was said."""

    @property
    def rollouts(self) -> int:
        """How many outcomes there will be."""
        return len(self.tasks) * self.samples

    def engine(self, progress: Callable[[str], None]) -> Engine:
        """An engine, not yet started. Raises `BadInput`."""
        try:
            return Engine(
                self.agent,
                model=self.model,
                sandbox=self.sandbox,
                store=self.out,
                shutdown=SHUTDOWN_SECONDS,
                progress=progress,
                **self.limits,
            )
        except (ValueError, TypeError) as error:
            raise BadInput(str(error)) from error

    def make_out(self) -> None:
        """Make the directory of the results. Raises `BadInput`."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = error.strerror or error
            raise BadInput(f"--out {self.out}: {problem}; choose a directory that can be written") from error

    def describe(self) -> dict[str, Any]:
        """What is to be done, as plain data."""
        return {
            "rollouts": self.rollouts,
            "tasks": len(self.tasks),
            "samples": self.samples,
            "agent": self.agent.name,
            "sandbox": msgspec.to_builtins(self.sandbox),
            "model": msgspec.to_builtins(self.model),
            **self.limits,
            "out": str(self.out),
        }


def make_plan(options: RunOptions) -> RunPlan:
    """Check everything that was asked for. Raises `BadInput` that names what is wrong, where, and what is allowed."""
    sandbox = parse_sandbox(options.sandbox, unsafe=options.unsafe)
    limits = {"concurrency": options.concurrency, "attempts": options.attempts, "deadline": options.deadline}
    return RunPlan(
        tasks=_tasks(options.tasks, options.only, options.limit),
        samples=options.samples,
        agent=_agent(options.agent or ("simulated" if isinstance(sandbox, Simulated) else "bash")),
        sandbox=sandbox,
        model=parse_model(options.model, options.model_name, options.api_key_env),
        out=(options.out or _fresh(Path("runs"))).absolute(),
        limits={name: value for name, value in limits.items() if value is not None},
    )


def _agent(name: str) -> AgentSpec:
    try:
        return agent_spec(name)
    except ValueError as error:
        raise BadInput(f"--agent {name}: {error}") from error


def _tasks(path: Path, only: Sequence[str], limit: int | None) -> tuple[TaskSpec, ...]:
    try:
        tasks = load_tasks(path)
    except TaskError as error:
        raise BadInput(str(error)) from error
    if unknown := set(only).difference(task.id for task in tasks):
        known = ", ".join(task.id for task in tasks)
        raise BadInput(f"--task {', '.join(sorted(unknown))}: not in {path}; it has {known}")
    return tuple(task for task in tasks if not only or task.id in only)[:limit]


def _fresh(parent: Path) -> Path:
    now = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    names = (parent / (now if number == 1 else f"{now}-{number}") for number in count(1))
    return next(path for path in names if not path.exists())
