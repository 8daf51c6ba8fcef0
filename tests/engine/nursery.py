"""A program that forks engines to be killed: to import them takes longer than most of them live.

Each line of standard input is a directory; a child goes on with the two runs in it, prints a line for each outcome that
is announced, and ends when both are finished.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

import anyio
import structlog

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import Local, SandboxSpec, Simulated, TaskSpec

SAMPLES = 2
TASKS = {"local": 5, "simulated": 20}
DEADLINES = {"local": 40.0, "simulated": 3.0}
"""Seconds. Some of the simulated agents hang."""


def tasks(kind: str) -> list[TaskSpec]:
    """What one of the runs is made of."""
    seconds = DEADLINES[kind]
    return [
        TaskSpec(id=f"{kind}-{n}", instruction="go", verify=("true",), deadline=seconds) for n in range(TASKS[kind])
    ]


async def answer(_: ModelCall) -> Completion:
    """Nothing is to be done."""
    return Completion(parts=(Text("done"),))


async def play(kind: str, agent: str, place: Path, sandbox: SandboxSpec) -> None:
    """Go on with one run."""
    engine = Engine(agent, model=answer, sandbox=sandbox, store=place / kind, concurrency=4, console=False)
    async with engine:
        async for outcome in engine.run(tasks(kind), SAMPLES):
            say(f"announced {kind} {outcome.rollout_id}")


async def main(place: Path) -> None:
    """Both at once."""
    async with anyio.create_task_group() as group:
        group.start_soon(play, "local", "bash", place, Local(root=str(place / "sandboxes")))
        group.start_soon(play, "simulated", "simulated", place, Simulated(boot=0.05, turn=0.05, fault_rate=0.2))


def say(line: str) -> None:
    """Short enough to be written at once, or not at all."""
    os.write(1, f"{line}\n".encode())


def fork(place: Path) -> int:
    """Run in a child that never returns; the child's process id."""
    if pid := os.fork():
        return pid
    status = 1  # the child must not go on as its parent would, whatever happens
    try:
        anyio.run(main, place)
        status = 0
    except Exception:  # noqa: BLE001 - told
        traceback.print_exc()
    finally:
        os._exit(status)


def nurse() -> None:
    """Fork one after the other."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for room in ("interception.server", "sandboxes.local"):
        import_module(f"greenroom.{room}")  # before the first fork
    for line in sys.stdin:
        pid = fork(Path(line.strip()))
        say(f"forked {pid}")
        _, status = os.waitpid(pid, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    nurse()
