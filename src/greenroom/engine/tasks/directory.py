"""Our own task directories: a ``task.toml``, and what lies beside it.

All of it is optional: ``instruction.md`` instead of the key, ``files/`` (put into the work directory before set-up),
``tests/`` (put over it after the agent is dead) and ``solution/`` (put into the work directory for the oracle, which
runs its ``solve.sh``).
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from greenroom.engine.tasks.errors import FileProblem
from greenroom.engine.tasks.tree import Table, read_text, texts

_DIRECTORIES = {"files": "files", "tests": "verify_files", "solution": "solution"}
SOLVE = "solve.sh"


def own_directory(path: Path, document: Table) -> Table:
    """The table of the task. Raises `FileProblem`, `OSError`."""
    where = path / "task.toml"
    table: Table = {"id": path.resolve().name, **document}
    instruction = path / "instruction.md"
    if instruction.exists():
        _add(where, table, "instruction", read_text(instruction), instruction)
    for directory in sorted(filter(_is_part, path.iterdir())):
        if directory.name not in _DIRECTORIES:
            raise FileProblem(f"{directory}: not part of a task; allowed beside task.toml: {', '.join(_DIRECTORIES)}")
        content = texts(directory)
        if directory.name == "solution":
            _add_solution(where, table, content, directory)
        else:
            _add(where, table, _DIRECTORIES[directory.name], content, directory)
    return table


def _is_part(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and path.name != "__pycache__"


def _add_solution(where: Path, table: Table, content: dict[str, str], origin: Path) -> None:
    if SOLVE not in content:
        raise FileProblem(f"{origin}: no {SOLVE} in it")
    said = table.pop("solution", {})
    if not isinstance(said, dict) or set(cast("Table", said)) - {"env"}:
        raise FileProblem(f"{where}: $.solution: given here and by {origin}; beside that, only env may be")
    # The script is last: what it brings along lies in the work directory as the task's own files do.
    table["solution"] = {"commands": [f"sh ./{SOLVE}"], "files": content, **cast("Table", said)}


def _add(where: Path, table: Table, field: str, value: object, origin: Path) -> None:
    if field in table:
        raise FileProblem(f"{where}: $.{field}: given here and by {origin}; only one of them may")
    table[field] = value
