"""Tasks from files and directories.

* ``x.toml``: one task at top level, or several as ``[[task]]``.
* ``x.jsonl``, ``x.parquet``: one task per line or row, or, with a template, whatever the template makes of it.
* A directory with ``task.toml``: one task, of ours (`directory`) or of Harbor's (`harbor`).
* Any other directory: everything of the above in it, in order of name. Names that begin with a dot are left out.

A task without an id is named after its file or directory, and numbered where a file holds several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec

from greenroom.engine.tasks.directory import own_directory
from greenroom.engine.tasks.errors import FileProblem, TaskError
from greenroom.engine.tasks.fields import check_task
from greenroom.engine.tasks.harbor import harbor_directory, is_harbor
from greenroom.engine.tasks.ignore import check_ignored, without
from greenroom.engine.tasks.places import placed
from greenroom.engine.tasks.template import Template
from greenroom.engine.tasks.tree import Table, read_text, read_toml
from greenroom.specs import TaskSpec

_SUFFIXES = (".toml", ".jsonl", ".parquet")
_OLD = "a Terminal-Bench 1 task; make a Harbor task of it with `greenroom tasks convert`"


class _Source(msgspec.Struct, frozen=True):
    """One task as found: where, and what is said of it."""

    file: Path
    table: Table
    problems: tuple[str, ...] = ()
    """What is wrong with it already."""
    place: str = ""
    """Where in the file."""

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file}{self.place}"


def load_tasks(
    path: str | Path, *, template: str | Path | Template | None = None, ignore: Sequence[str] = ()
) -> list[TaskSpec]:
    """Load and check all tasks of a file or directory.

    Args:
        path: A ``.toml``, ``.jsonl`` or ``.parquet`` file, a task's directory (Harbor's too), or a directory of those.
        template: A ``.toml`` file with one task in which ``{{ column }}`` stands for a value of each row of ``path``;
            or one that was read before.
        ignore: Fields to do without although tasks ask for them, such as ``environment.image``; those that were
            are noted in the task's metadata under ``ignored``.

    Returns:
        The tasks, at least one, always in the same order.

    Raises:
        TaskError: Anything is wrong with any of them; it lists all that was found.
    """
    problems = check_ignored(ignore)
    tasks: dict[str, TaskSpec] = {}
    for source in _Finder(problems, _template(template, problems)).find(Path(path)):
        task, wrong = check_task(source.table, source.where) if not source.problems else (None, source.problems)
        problems += [f"{source.where}: {problem}" for problem in wrong]
        if task is not None and task.id in tasks:
            other = tasks[task.id].origin
            problems.append(f"{source.where}: $.id: {task.id!r} is already the id of the task in {other}")
        elif task is not None:
            tasks[task.id] = placed(task, source.file.parent.absolute())
    if not tasks and not problems:
        kinds = ", ".join(_SUFFIXES)
        problems.append(f"{path}: no tasks in it; expected {kinds} files, and directories with a task.toml")
    if problems:
        raise TaskError(problems)
    return [without(task, ignore) for task in tasks.values()]


def read_template(path: str | Path) -> Template:
    """A template's file. Raises `TaskError`."""
    try:
        return Template(Path(path), read_toml(Path(path)))
    except FileProblem as problem:
        raise TaskError([str(problem)]) from problem
    except OSError as error:
        raise TaskError([f"{error.filename or path}: {error.strerror}"]) from error


def _template(template: str | Path | Template | None, problems: list[str]) -> Template | None:
    if template is None or isinstance(template, Template):
        return template
    try:
        return read_template(template)
    except TaskError as error:
        problems += [f"template: {problem}" for problem in error.problems]
        return None


class _Finder:
    """Looks for tasks, and notes what cannot be one."""

    def __init__(self, problems: list[str], template: Template | None) -> None:
        self._problems = problems
        self._template = template

    def find(self, path: Path) -> list[_Source]:
        """All that there is."""
        try:
            if not path.is_dir():
                return list(self._file(path))
            if (path / "task.toml").is_file():
                return [_directory(path)]
            entries = _entries(path)
        except FileProblem as problem:
            self._problems.append(str(problem))
        except OSError as error:
            self._problems.append(f"{error.filename or path}: {error.strerror}")
        else:
            return [source for entry in entries if _wanted(entry) for source in self._entry(entry)]
        return []

    def _entry(self, path: Path) -> list[_Source]:
        if path.is_dir() and not (path / "task.toml").is_file():
            self._problems.append(f"{path}: {_OLD if _is_old(path) else 'no task.toml in it'}")
            return []
        return self.find(path)

    def _file(self, path: Path) -> Iterator[_Source]:
        if not path.exists():
            kinds = ", ".join(_SUFFIXES)
            raise FileProblem(f"{path}: no such file or directory; give a {kinds} file, or a directory of tasks")
        match path.suffix:
            case ".toml" if self._template is None:
                yield from _toml(path)
            case ".jsonl":
                yield from self._rows(path, self._lines(path))
            case ".parquet":
                from greenroom.engine.tasks.parquet import parquet_rows

                yield from self._rows(path, enumerate(parquet_rows(path), 1))
            case _:
                fit = ".jsonl or .parquet" if self._template else ".toml, .jsonl, .parquet or a directory"
                why = "; a template is filled from the rows of a data set" if self._template else ""
                raise FileProblem(f"{path}: not a task file; expected {fit}{why}")

    def _lines(self, path: Path) -> Iterator[tuple[int, Table]]:
        # Not splitlines: JSON strings may hold the other characters it splits at.
        for number, line in enumerate(read_text(path).split("\n"), 1):
            if not line.strip():
                continue
            try:
                yield number, msgspec.json.decode(line, type=Table)
            except msgspec.DecodeError as error:
                self._problems.append(f"{path}:{number}: not a JSON object: {error}")

    def _rows(self, path: Path, rows: Iterator[tuple[int, Table]]) -> Iterator[_Source]:
        for number, row in rows:
            table, wrong = self._template.fill(row) if self._template else (row, [])
            yield _Source(path, {"id": f"{path.stem}-{number}", **table}, tuple(wrong), f":{number}")


def _entries(path: Path) -> list[Path]:
    if _is_old(path):
        raise FileProblem(f"{path}: {_OLD}")
    return sorted(path.iterdir())


def _wanted(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__pycache__":
        return False
    return path.is_dir() or path.suffix in _SUFFIXES


def _is_old(path: Path) -> bool:
    return (path / "task.yaml").is_file()


def _toml(path: Path) -> Iterator[_Source]:
    document = read_toml(path)
    if "task" not in document:
        yield _Source(path, {"id": path.stem, **document})
        return
    if len(document) > 1 or not _is_tables(document["task"]):
        raise FileProblem(f"{path}: $.task: must be an array of tables ([[task]]), and nothing may stand beside it")
    for number, table in enumerate(cast("list[Table]", document["task"]), 1):
        yield _Source(path, {"id": f"{path.stem}-{number}", **table}, place=f": [[task]] {number}")


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value))


def _directory(path: Path) -> _Source:
    where = path / "task.toml"
    document = read_toml(where)
    if not is_harbor(path, document):
        return _Source(where, own_directory(path, document))
    table, problems = harbor_directory(path, document)
    return _Source(where, table, tuple(problems))
