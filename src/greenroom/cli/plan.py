"""From what was asked for to what is to be done, everything checked, nothing started."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
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
from greenroom.cli.shares import Sharing
from greenroom.engine import Engine
from greenroom.engine.settings import DEADLINE
from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.engine.tasks.demands import unmet
from greenroom.engine.tasks.load import read_template
from greenroom.engine.trials import Trials
from greenroom.specs import AgentSpec, ModelSpec, SandboxSpec, Simulated, TaskSpec
from greenroom.specs.registry import agent_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.engine.tasks.template import Template

SHUTDOWN_SECONDS = 20.0
"""What rollouts are given to end in order when the engine is left."""


class Part(Struct, frozen=True):
    """One `Engine.run`."""

    name: str
    """By what the store knows it; empty: by its number."""
    tasks: tuple[TaskSpec, ...]
    samples: int


class RunPlan(Struct, frozen=True, kw_only=True):
    """A run, ready to start."""

    tasks: tuple[TaskSpec, ...]
    samples: int
    agent: AgentSpec
    sandbox: SandboxSpec
    model: ModelSpec
    out: Path
    trials: Trials | None
    """Where the same goes in the layout of Harbor's trials."""
    limits: dict[str, Any]
    """Further keywords of `Engine`, where something was said."""
    parts: tuple[Part, ...] = ()
    """What is to be run, if that is not all tasks as often as the samples say."""
    done: int = 0
    """Rollouts that have their outcome already."""
    place: str = ""
    """Where the results go, in the words of the command line."""

    @property
    def runs(self) -> tuple[Part, ...]:
        """What is to be run, one after the other."""
        return self.parts or (Part("", self.tasks, self.samples),)

    @property
    def rollouts(self) -> int:
        """How many outcomes there will be."""
        return sum(len(part.tasks) * part.samples for part in self.runs)

    @property
    def sharing(self) -> Sharing:
        """How the deadlines are shared out among the phases."""
        return Sharing.of(self.tasks, self.limits.get("deadline", DEADLINE))

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

    def make_directories(self) -> None:
        """Make those of the results, all of them or none. Raises `BadInput`."""
        made: list[Path] = []
        trials = [] if self.trials is None else [("--trials", self.trials.root)]
        for option, path in (*trials, ("--out", self.out)):
            new = [each for each in (path, *path.parents) if not each.exists()]
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                for directory in (*new, *made):
                    with suppress(OSError):
                        directory.rmdir()
                problem = error.strerror or error
                raise BadInput(f"{option} {path}: {problem}; choose a directory that can be written") from error
            made = [*new, *made]

    def describe(self) -> dict[str, Any]:
        """What is to be done, as plain data."""
        return {
            "rollouts": self.rollouts,
            "done": self.done,
            "tasks": len(self.tasks),
            "samples": self.samples,
            "agent": self.agent.name,
            "sandbox": msgspec.to_builtins(self.sandbox),
            "model": msgspec.to_builtins(self.model),
            **self.limits,
            "shares": [shares.rounded() for shares in self.sharing.shares],
            "out": str(self.out),
        }


def trials_of(root: Path | None, tasks: Sequence[TaskSpec], model: ModelSpec) -> Trials | None:
    """Where trials are written, if they are."""
    return None if root is None else Trials(root.absolute(), tasks, str(getattr(model, "model", "") or ""))


def make_plan(options: RunOptions) -> RunPlan:
    """Check everything that was asked for. Raises `BadInput` that names what is wrong, where, and what is allowed."""
    tasks = _tasks(options)
    sandbox = parse_sandbox(options.sandbox, unsafe=options.unsafe, image=options.image)
    check_fit(tasks, sandbox)
    model = parse_model(options.model, options.model_name, options.api_key_env)
    out = (options.out or _fresh(Path("runs"))).absolute()
    limits = {
        "concurrency": options.concurrency,
        "attempts": options.attempts,
        "deadline": options.deadline,
        "model_wait": options.model_wait,
    }
    return RunPlan(
        tasks=tasks,
        samples=options.samples,
        agent=agent_of(options.agent or ("simulated" if isinstance(sandbox, Simulated) else "bash"), "--agent"),
        sandbox=sandbox,
        model=model,
        trials=trials_of(options.trials, tasks, model),
        out=out,
        place=f"--out {out}",
        limits={name: value for name, value in limits.items() if value is not None}
        | ({"allow_changes": split(options.allow_changes)} if options.allow_changes else {}),
    )


def agent_of(name: str, said: str) -> AgentSpec:
    """The registered agent. Raises `BadInput` that begins with where it was said."""
    try:
        return agent_spec(name)
    except ValueError as error:
        raise BadInput(f"{said} {name}: {error}") from error


def check_fit(tasks: Sequence[TaskSpec], sandbox: SandboxSpec) -> None:
    """Check that such sandboxes can be what the tasks ask for. Raises `BadInput`."""
    if problems := [problem for task in tasks for problem in unmet(task, sandbox)]:
        raise BadInput("\n".join(problems))


def _tasks(options: RunOptions) -> tuple[TaskSpec, ...]:
    tasks = load(options.tasks, options.template, options.ignore)
    if unknown := set(options.only).difference(task.id for task in tasks):
        known = ", ".join(task.id for task in tasks)
        raise BadInput(f"--task {', '.join(sorted(unknown))}: not in {options.tasks}; it has {known}")
    return tuple(task for task in tasks if not options.only or task.id in options.only)[: options.limit]


def split(values: Sequence[str]) -> list[str]:
    """What an option names that may be given several times, and may name several things, with commas."""
    return [name.strip() for names in values for name in names.split(",")]


def load(path: Path, template: Path | None, ignore: Sequence[str]) -> list[TaskSpec]:
    """The tasks there. Raises `BadInput`."""
    try:
        return load_tasks(path, template=_template(template), ignore=split(ignore))
    except TaskError as error:
        raise BadInput("\n".join(map(_said, error.problems))) from error


def _template(path: Path | None) -> Template | None:
    try:
        return None if path is None else read_template(path)
    except TaskError as error:
        raise BadInput(f"--template {error}; give a .toml file with one task") from error


def _said(problem: str) -> str:
    """A problem in the words of the command line."""
    return f"--{problem}" if problem.startswith("ignore: ") else problem


def _fresh(parent: Path) -> Path:
    now = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    names = (parent / (now if number == 1 else f"{now}-{number}") for number in count(1))
    return next(path for path in names if not path.exists())
