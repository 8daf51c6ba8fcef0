"""Tasks from files: TOML, JSONL, and directories of them.

* ``x.toml``: one task at top level, or several as ``[[task]]``.
* ``x.jsonl``: one task per line.
* A directory with ``task.toml``: one task. Beside it, all optional: ``instruction.md`` instead of the key,
  ``files/`` (put into the work directory before set-up) and ``tests/`` (put over it after the agent is dead).
* Any other directory: everything of the above in it, in order of name. Names that begin with a dot are left out.

A task without an id is named after its file or directory, and numbered where a file holds several.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from greenroom.engine._taskfields import check_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenroom.specs import TaskSpec

Table = dict[str, object]
"""What a TOML or JSON file says of one task."""


_DIRECTORIES = {"files": "files", "tests": "verify_files"}


class TaskError(Exception):
    """Tasks that cannot be used. ``problems`` has one line for each thing that is wrong, with file and field."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class _Problem(Exception):
    """One file that cannot be used."""


class _Source(msgspec.Struct, frozen=True):
    """One task as found: where, and what is said of it."""

    where: str
    table: Table


def load_tasks(path: str | Path) -> list[TaskSpec]:
    """Load and check all tasks of a file or directory.

    Returns:
        The tasks, at least one, always in the same order.

    Raises:
        TaskError: Anything is wrong with any of them; it lists all that was found.
    """
    problems: list[str] = []
    tasks: dict[str, TaskSpec] = {}
    places: dict[str, str] = {}
    for source in _find(Path(path), problems):
        task, wrong = check_task(source.table)
        problems += [f"{source.where}: {problem}" for problem in wrong]
        if task is not None and task.id in tasks:
            problems.append(f"{source.where}: $.id: {task.id!r} is already the id of the task in {places[task.id]}")
        elif task is not None:
            tasks[task.id], places[task.id] = task, source.where
    if not tasks and not problems:
        problems.append(f"{path}: no tasks in it; expected .toml and .jsonl files, and directories with a task.toml")
    if problems:
        raise TaskError(problems)
    return list(tasks.values())


def _find(path: Path, problems: list[str]) -> list[_Source]:
    try:
        if not path.is_dir():
            return _file(path, problems)
        if (path / "task.toml").is_file():
            return [_directory(path)]
        entries = sorted(path.iterdir())
    except _Problem as problem:
        problems.append(str(problem))
    except OSError as error:
        problems.append(f"{error.filename or path}: {error.strerror}")
    else:
        return [source for entry in entries if _wanted(entry) for source in _entry(entry, problems)]
    return []


def _wanted(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__pycache__":
        return False
    return path.is_dir() or path.suffix in {".toml", ".jsonl"}


def _entry(path: Path, problems: list[str]) -> list[_Source]:
    if path.is_dir() and not (path / "task.toml").is_file():
        problems.append(f"{path}: no task.toml in it")
        return []
    return _find(path, problems)


def _file(path: Path, problems: list[str]) -> list[_Source]:
    match path.suffix:
        case ".toml":
            return _toml(path)
        case ".jsonl":
            return list(_jsonl(path, problems))
        case _ if path.exists():
            raise _Problem(f"{path}: not a task file; expected .toml, .jsonl or a directory")
        case _:
            raise _Problem(f"{path}: no such file or directory")


def _toml(path: Path) -> list[_Source]:
    document = _parse_toml(path)
    if "task" not in document:
        return [_Source(str(path), {"id": path.stem, **document})]
    if len(document) > 1 or not _is_tables(document["task"]):
        raise _Problem(f"{path}: $.task: must be an array of tables ([[task]]), and nothing may stand beside it")
    tables = cast("list[Table]", document["task"])
    return [
        _Source(f"{path}: [[task]] {number}", {"id": f"{path.stem}-{number}", **table})
        for number, table in enumerate(tables, 1)
    ]


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value))


def _parse_toml(path: Path) -> Table:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise _Problem(f"{path}: not TOML: {error}") from error


def _jsonl(path: Path, problems: list[str]) -> Iterator[_Source]:
    # Not splitlines: JSON strings may hold the other characters it splits at.
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            table = msgspec.json.decode(line, type=Table)
        except msgspec.DecodeError as error:
            problems.append(f"{path}:{number}: not a JSON object: {error}")
        else:
            yield _Source(f"{path}:{number}", {"id": f"{path.stem}-{number}", **table})


def _directory(path: Path) -> _Source:
    where = path / "task.toml"
    table: Table = {"id": path.resolve().name, **_parse_toml(where)}
    instruction = path / "instruction.md"
    if instruction.exists():
        _add(where, table, "instruction", _text(instruction), instruction)
    for directory in sorted(filter(_wanted, filter(Path.is_dir, path.iterdir()))):
        if directory.name not in _DIRECTORIES:
            raise _Problem(f"{directory}: not part of a task; allowed beside task.toml: {', '.join(_DIRECTORIES)}")
        _add(where, table, _DIRECTORIES[directory.name], dict(_tree(directory)), directory)
    return _Source(str(where), table)


def _add(where: Path, table: Table, field: str, value: object, origin: Path) -> None:
    if field in table:
        raise _Problem(f"{where}: $.{field}: given here and by {origin}; only one of them may")
    table[field] = value


def _tree(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            raise _Problem(f"{path}: a symbolic link; tasks hold plain files only")
        name = path.relative_to(root)
        if path.is_file() and "__pycache__" not in name.parts:
            yield name.as_posix(), _text(path)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise _Problem(f"{path}: not UTF-8 text (byte {error.start})") from error
