"""What `make demo` runs: 24 rollouts of eight small programming jobs, by two agents, in local sandboxes.

Nothing is needed but a fresh clone: a script stands in for the model. With ``OPENAI_BASE_URL``, ``OPENAI_API_KEY`` and
``GREENROOM_MODEL`` set, that model does the work. In the middle of it one sandbox is killed, agent and all, as happens
on a machine that runs out of memory. Watch its rollout: it is tried again, and the others never notice.

Where sandboxes cannot be sealed, the demo says why and what helps, and runs 24 rollouts in simulated sandboxes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import anyio
import msgspec
import simulation
from accident import Accident
from rich.console import RenderableType

import greenroom as gr
from greenroom.actors.board import Snapshot
from greenroom.cli.interruption import Interruption
from greenroom.cli.live import drawing, picture, show_cursor
from greenroom.cli.logs import log_to
from greenroom.cli.output import Output
from greenroom.cli.sandbox_check import try_sandbox
from greenroom.cli.shares import Sharing
from greenroom.cli.tally import Tally, one_line
from greenroom.engine import EngineError
from greenroom.interception import model_for
from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import install
from greenroom.specs.registry import agent_spec

HERE = Path(__file__).parent
SAMPLES = 3
AT_ONCE = 6
"""Rollouts of each agent that run at once."""
DEADLINE = 900.0
"""Seconds that a rollout may take."""


class Demo:
    """Two engines, one screen, one table."""

    def __init__(self, out: Path, accident: Accident) -> None:
        self.out = out
        self.accident = accident
        self.work: dict[str, tuple[gr.Engine, list[gr.TaskSpec]]] = {}
        """By agent."""
        self.tally = Tally()
        self.output = Output()
        self.draws = sys.stdout.isatty()
        self.interruption = Interruption(self.stop, show_cursor if self.draws else lambda: None)

    @property
    def total(self) -> int:
        """Rollouts, all in all."""
        return SAMPLES * sum(len(tasks) for _, tasks in self.work.values())

    async def run(self) -> None:
        """Run it all, and show it."""
        async with AsyncExitStack() as stack:
            for engine, _ in self.work.values():
                await stack.enter_async_context(engine)
            self.tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self.tasks.cancel_scope.cancel)
            await self.tasks.start(self.interruption.watch)
            if self.draws:
                first, _ = next(iter(self.work.values()))
                await stack.enter_async_context(drawing(first.system, self.frame))
            async with anyio.create_task_group() as runs:
                for agent in self.work:
                    runs.start_soon(self.follow, agent)

    async def follow(self, agent: str) -> None:
        """Take one engine's outcomes as they come."""
        engine, tasks = self.work[agent]
        try:
            async for outcome in engine.run(tasks, SAMPLES):
                line = self.tally.add(outcome)
                if not self.draws:
                    await self.output.line(f"{agent:<5}{one_line(line, len(self.tally.lines), self.total)}")
        except EngineError:
            if self.interruption.signal is None:
                raise

    def frame(self, height: int) -> RenderableType:
        """What runs in both engines, in one picture."""
        seen = {agent: engine.snapshot() for agent, (engine, _) in self.work.items()}
        whole = Snapshot(
            submitted=sum(snapshot.submitted for snapshot in seen.values()),
            waiting=sum(snapshot.waiting for snapshot in seen.values()),
            finished=dict(sum((Counter(snapshot.finished) for snapshot in seen.values()), Counter())),
            solved=sum(snapshot.solved for snapshot in seen.values()),
            scored=sum(snapshot.scored for snapshot in seen.values()),
            paused="; ".join(filter(None, (snapshot.paused for snapshot in seen.values()))),
            rollouts=tuple(
                msgspec.structs.replace(row, rollout_id=f"{agent:<4} {row.rollout_id}")
                for agent, snapshot in seen.items()
                for row in snapshot.rollouts
            ),
        )
        return picture(whole, self.total, height, self.tally.totals(), self.accident.note)

    def stop(self, number: signal.Signals) -> None:
        """The first Ctrl-C: end in order. The second one ends everything at once."""
        print(f"{number.name}: stopping in order; once more to end at once", file=sys.stderr)
        for engine, _ in self.work.values():
            self.tasks.start_soon(engine.stop, f"the demo got {number.name}")

    def conclude(self) -> int:
        """Print what became of it; the exit status."""
        print(f"\n{self.tally.table()}\n\n{self.tally.totals()}")
        if self.accident.note:
            print(self.accident.note)
        for agent in self.work:
            print(f"results of {agent}: {self.out / agent}  (outcomes.jsonl: a line each; run.db: everything)")
        print(f"\nWhat next:\n{next_steps(sealed='simulated' not in self.work)}")
        return self.interruption.exit_status or (0 if len(self.tally.lines) == self.total else 1)


async def demo(options: argparse.Namespace, problem: SandboxError | None) -> int:
    """Make the engines, share the tasks out among them, and run."""
    out = options.out.absolute()
    model = real_model() or gr.Scripted(str(HERE / "model.toml"))
    with tempfile.TemporaryDirectory(prefix="greenroom-demo-") as scratch:
        answers = model_for(model)
        first = gr.load_tasks(HERE / "tasks")[0].id
        show = Demo(out, Accident(answers, first, 0, Path(scratch)))
        if problem is None:
            await employ(show, model, scratch, options)
        else:
            simulate(show, problem)
        print(f"{show.total} rollouts with {' and '.join(show.work)}; results: {out}", flush=True)
        tasks = [task for _, shared in show.work.values() for task in shared]
        print(*Sharing.of(tasks, simulation.DEADLINE if problem else DEADLINE).lines(), sep="\n", flush=True)
        try:
            await show.run()
        finally:
            await answers.close()
    return show.conclude()


async def employ(show: Demo, model: gr.Upstream | gr.Scripted, scratch: str, options: argparse.Namespace) -> None:
    """An engine for each agent, in local sandboxes. Only in those of the first one the accident happens."""
    tasks = gr.load_tasks(HERE / "tasks")
    agents = await agents_that_run(options.agents)
    for number, agent in enumerate(agents):
        engine = gr.Engine(
            agent,
            sandbox=gr.Local(root=None if number else scratch, unsafe=options.unsafe),
            model=model if number else show.accident,
            concurrency=AT_ONCE,
            deadline=DEADLINE,
            store=show.out / agent,
            name=f"demo-{agent}",
        )
        show.work[agent] = (engine, tasks[number :: len(agents)])


def simulate(show: Demo, problem: SandboxError) -> None:
    """Say what cannot be shown here, and have the rest shown."""
    print(
        f"*** The rollouts of bash and pi cannot run here, since no sandbox can be sealed: {problem}\n"
        "*** `greenroom doctor` says what this machine lacks. Without isolation they do run: make demo ARGS=--unsafe\n"
        "Shown instead: the same engine with simulated sandboxes, in which things go wrong on purpose.\n",
        flush=True,
    )
    engine = gr.Engine(
        "simulated",
        sandbox=simulation.SANDBOX,
        model=simulation.model,
        concurrency=AT_ONCE * 2,
        deadline=simulation.DEADLINE,
        store=show.out / "simulated",
        name="demo-simulated",
    )
    show.work["simulated"] = (engine, simulation.TASKS)


async def agents_that_run(wanted: list[str]) -> list[str]:
    """Those of the agents that are installed, or can be."""
    able = []
    for name in wanted:
        spec = agent_spec(name)
        try:
            if spec.recipe is not None:
                await install(spec.recipe, check=spec.check, progress=print)
            able.append(name)
        except InstallError as error:
            print(f"\n*** {name} cannot be installed here, so the other agent does its work: {error}\n", flush=True)
    return able


def real_model() -> gr.Upstream | None:
    """The model of the environment, if there is one."""
    url, key, name = (os.environ.get(variable) for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "GREENROOM_MODEL"))
    return gr.Upstream(base_url=url, model=name, api_key_env="OPENAI_API_KEY") if url and key and name else None


def next_steps(*, sealed: bool) -> str:
    """Commands to go on with, ready to be pasted."""
    program = Path(sys.executable).with_name("greenroom")
    greenroom = [os.path.relpath(program)] if program.exists() else [os.path.relpath(sys.executable), "-m", "greenroom"]
    here = os.path.relpath(HERE)
    agent = ("bash",) if sealed else ("simulated", "--sandbox", "simulated")
    steps = {
        "what this machine can run": ("doctor",),
        "the agents, and whether they are installed": ("agents",),
        "a run of your own": (
            *(
                "run",
                f"{here}/tasks/slugify",
                "--model",
                f"{here}/model.toml",
                "--out",
                "runs/first",
                "--agent",
                *agent,
            ),
        ),
    }
    return "\n".join(f"  {shlex.join([*greenroom, *step])}   # {what}" for what, step in steps.items())


def what_stops_sandboxes() -> SandboxError | None:
    """Why no local sandbox can be sealed, found out by trying."""
    try:
        try_sandbox()
    except SandboxError as error:
        return error
    return None


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=["bash", "pi"], choices=["bash", "pi"])
    parser.add_argument("--out", type=Path, default=Path("runs", f"demo-{datetime.now():%Y%m%d-%H%M%S}"))  # noqa: DTZ005 - local time
    parser.add_argument("--unsafe", action="store_true", help="do without isolation where bubblewrap is missing")
    return parser.parse_args()


def main() -> int:
    """Run the demo; the exit status."""
    options = arguments()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        log_to(options.out / "greenroom.log", terminal=False)
    except OSError as error:
        print(f"results cannot be kept: {error}; --out names another directory", file=sys.stderr)
        return 1
    try:
        return anyio.run(demo, options, None if options.unsafe else what_stops_sandboxes())
    except SandboxError as error:
        print(f"sandboxes cannot be used: {error}; `greenroom doctor` says more", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while an agent is being installed
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
