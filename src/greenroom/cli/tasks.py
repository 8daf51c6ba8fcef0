"""`greenroom tasks`: what tasks there are, whether they are any good, and the conversion of others."""

from __future__ import annotations

from pathlib import Path

import anyio
import click
import msgspec
from msgspec import Struct

from greenroom.cli.errors import BadInput, Failed
from greenroom.cli.logs import log_to
from greenroom.cli.output import columns
from greenroom.cli.plan import check_fit, load
from greenroom.cli.sandbox_check import require
from greenroom.cli.sandbox_option import parse_sandbox
from greenroom.engine import EngineError
from greenroom.engine.task_check import TaskCheck, Trial, check_tasks
from greenroom.engine.tasks import TaskError
from greenroom.engine.tasks.demands import unmet
from greenroom.introspection.render import escape, table
from greenroom.sandboxes import SandboxError
from greenroom.specs import Reward, SandboxSpec, TaskSpec

_LINES = 5


class Selection(Struct, frozen=True, kw_only=True):
    """Which tasks, and where they would run."""

    path: Path
    template: Path | None
    ignore: tuple[str, ...]
    sandbox: str
    unsafe: bool

    def tasks(self) -> list[TaskSpec]:
        """Raises `BadInput`."""
        return load(self.path, self.template, self.ignore)

    def where(self) -> SandboxSpec:
        """Raises `BadInput`."""
        return parse_sandbox(self.sandbox, unsafe=self.unsafe)


class TaskRow(Struct, frozen=True, kw_only=True):
    """One task."""

    id: str
    origin: str
    verifier: str
    reward: str
    """How the reward comes about; empty: there is none."""
    solution: bool
    image: str | None
    """Container image, or the directory it is built from."""
    unmet: list[str]
    """What the sandbox cannot honour."""


def list_tasks(selection: Selection, *, as_json: bool) -> None:
    """Print all of them."""
    tasks, where = selection.tasks(), selection.where()
    rows = [_row(task, where) for task in tasks]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    cells = [
        (row.id, row.reward or "-", row.verifier, _yes(row.solution), row.image or "-", _fits(row.unmet))
        for row in rows
    ]
    head = ("TASK", "REWARD", "VERIFIER", "SOLUTION", "IMAGE", selection.sandbox.partition(":")[0].upper())
    click.echo(table(head, [tuple(map(escape, row)) for row in cells]))


def check(selection: Selection, *, concurrency: int, passing: float, as_json: bool) -> int:
    """Try all of them; the exit status is 0 if every one can be solved, and not by doing nothing.

    Raises:
        BadInput: The tasks are wrong, or the sandbox is not for them.
        Failed: They could not be tried.
    """
    tasks, where = selection.tasks(), selection.where()
    check_fit(tasks, where)
    require(where)
    log_to(None, terminal=True)

    async def main() -> list[TaskCheck]:
        return await check_tasks(tasks, where, concurrency=concurrency, passing=passing, progress=_say)

    try:
        found = anyio.run(main)
    except (TaskError, ValueError) as error:
        raise BadInput(str(error)) from error
    except SandboxError as error:
        raise Failed(f"sandboxes cannot be used: {error}; see `greenroom doctor`") from error
    except EngineError as error:
        raise Failed(f"the engine failed: {error}") from error
    if as_json:
        click.echo(msgspec.json.encode([{"good": each.good, **msgspec.structs.asdict(each)} for each in found]))
    else:
        click.echo(_table(found))
    return 0 if all(each.good for each in found) else 1


def convert(source: Path, target: Path, *, as_json: bool) -> None:
    """Convert Terminal-Bench 1 tasks. Raises `BadInput`, `Failed`."""
    from greenroom.engine.tasks.terminal_bench import convert_tasks

    try:
        made = convert_tasks(source, target)
    except TaskError as error:
        raise BadInput(str(error)) from error
    except OSError as error:
        raise Failed(f"{error.filename or target}: {error.strerror}") from error
    if as_json:
        click.echo(msgspec.json.encode([str(path) for path in made]))
    else:
        click.echo("\n".join(escape(str(path)) for path in made))


def _row(task: TaskSpec, where: SandboxSpec) -> TaskRow:
    environment = task.environment
    return TaskRow(
        id=task.id,
        origin=task.origin,
        verifier=task.verifier,
        reward="score" if task.score is not None else task.reward if task.verify else "",
        solution=task.solution is not None,
        image=(environment.image or environment.build) if environment else None,
        unmet=unmet(task, where),
    )


def _table(found: list[TaskCheck]) -> str:
    rows = [(each.task_id, _verdict(each), _trial(each.oracle), _trial(each.nop)) for each in found]
    notes = [note for each in found if not each.good for note in _notes(each)]
    lines = [table(("TASK", "VERDICT", "ORACLE", "NOP"), [tuple(map(escape, row)) for row in rows], (), columns())]
    good = sum(each.good for each in found)
    return "\n".join([*lines, *([""] if notes else []), *notes, "", f"{good} of {len(found)} tasks are good"])


def _verdict(found: TaskCheck) -> str:
    if found.good:
        return "good"
    if found.oracle is None:
        solved = "no solution"
    else:
        solved = {True: "", False: "its solution does not pass", None: "its solution was not scored"}[found.solvable]
    idle = {True: "doing nothing passes", False: "", None: "doing nothing was not scored"}[found.trivial]
    return "; ".join(filter(None, (solved, idle)))


def _trial(trial: Trial | None) -> str:
    return "-" if trial is None else _reward(trial.reward) if trial.reward is not None else trial.status


def _reward(reward: Reward) -> str:
    if isinstance(reward, dict):
        return " ".join(f"{name}={value:g}" for name, value in reward.items())
    return f"{reward:g}"


def _notes(found: TaskCheck) -> list[str]:
    """Why, and the last lines of what was said."""
    notes: list[str] = []
    for name, trial in (("oracle", found.oracle), ("nop", found.nop)):
        if trial is None or (trial.passed is (name == "oracle")):
            continue
        notes.append(escape(f"{found.task_id}: {name}: {trial.why or f'reward {trial.reward}'}"))
        notes += [f"    {escape(line)}" for line in trial.log.splitlines()[-_LINES:]]
    return notes


def _fits(unmet: list[str]) -> str:
    return "yes" if not unmet else f"no: {len(unmet)} fields"


def _yes(value: bool) -> str:  # noqa: FBT001 - a column of yes and no
    return "yes" if value else "no"


def _say(text: str) -> None:
    click.echo(escape(text), err=True)
