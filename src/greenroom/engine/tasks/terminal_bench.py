"""Terminal-Bench 1 tasks made into Harbor's. Needs the extra ``terminal-bench``.

``task.yaml`` becomes ``task.toml`` and ``instruction.md``, the build context ``environment/``, ``run-tests.sh`` and
``tests/`` become ``tests/`` with a ``test.sh`` that makes the exit code a reward, ``solution.sh`` the solution. What
could not be the same afterwards is refused: several services, settings of the container, tests in the agent's shell.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct, field

from greenroom.engine.tasks.errors import FileProblem, TaskError
from greenroom.engine.tasks.terminal_bench_service import Service, service_of
from greenroom.engine.tasks.tree import Table, read_text, tree

_NOT_CONTEXT = ("task.yaml", "solution.sh", "run-tests.sh", "tests", "docker-compose.yaml")
_TEST = """#!/bin/bash
# Terminal-Bench 1 judges by the exit code of run-tests.sh.
bash /tests/run-tests.sh
code=$?
if [ $code -eq 0 ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
exit $code
"""


class TaskYaml(Struct, frozen=True):
    """What is used of ``task.yaml``; the rest is carried along as metadata."""

    instruction: str
    max_agent_timeout_sec: float = 360.0
    max_test_timeout_sec: float = 60.0
    run_tests_in_same_shell: bool | None = None


class _Plan(Struct, frozen=True):
    """A conversion that can be made."""

    source: Path
    target: Path
    task: TaskYaml
    metadata: Table
    service: Service
    files: dict[str, Path] = field(default_factory=dict[str, Path])
    """What is copied: path in the new directory to the file it is taken from."""


def convert_tasks(source: Path, target: Path) -> list[Path]:
    """Convert one task, or all of a directory, into directories below ``target``, which are returned.

    Raises:
        TaskError: Any of them cannot be converted, or exists already; nothing has been written then.
        OSError: They cannot be written.
    """
    problems: list[str] = []
    plans = [plan for path in _sources(source, problems) if (plan := _plan(path, target, problems)) is not None]
    if problems:
        raise TaskError(problems)
    for plan in plans:
        _write(plan)
    return [plan.target for plan in plans]


def _sources(source: Path, problems: list[str]) -> list[Path]:
    if (source / "task.yaml").is_file():
        return [source]
    found = sorted(path.parent for path in source.glob("*/task.yaml"))
    if not found:
        problems.append(f"{source}: no Terminal-Bench 1 tasks in it; expected directories with a task.yaml")
    return found


def _plan(source: Path, parent: Path, problems: list[str]) -> _Plan | None:
    before = len(problems)
    try:
        said = read_yaml(source / "task.yaml")
        task = msgspec.convert(said, TaskYaml)
        compose = source / "docker-compose.yaml"
        service = service_of(read_yaml(compose) if compose.is_file() else {}, compose, problems)
        problems += _refusals(source, task, parent / source.resolve().name)
        files = dict(_copies(source, service))
    except msgspec.ValidationError as error:
        problems.append(f"{source / 'task.yaml'}: {error}")
    except FileProblem as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{error.filename or source}: {error.strerror}")
    else:
        if len(problems) == before:
            metadata = {name: value for name, value in said.items() if name not in TaskYaml.__struct_fields__}
            return _Plan(source, parent / source.resolve().name, task, metadata, service, files)
    return None


def read_yaml(path: Path) -> Table:
    """A YAML file's table. Raises `FileProblem`, `OSError`."""
    try:
        yaml: Any = import_module("yaml")
    except ModuleNotFoundError as error:
        raise FileProblem("Terminal-Bench 1 tasks need PyYAML: pip install 'PyYAML>=6.0.2'") from error
    try:
        found: object = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise FileProblem(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise FileProblem(f"{path}: holds no table")
    return {str(name): value for name, value in cast("dict[object, object]", found).items()}


def _refusals(source: Path, task: TaskYaml, target: Path) -> Iterator[str]:
    where = source / "task.yaml"
    if task.run_tests_in_same_shell:
        yield f"{where}: run_tests_in_same_shell: agents have no shell in common with tests; allowed: false"
    if not (source / "run-tests.sh").is_file():
        yield f"{source / 'run-tests.sh'}: no such file"
    if (source / "solution.yaml").exists() and not (source / "solution.sh").exists():
        yield f"{source / 'solution.yaml'}: recorded keystrokes cannot be run; write a solution.sh"
    if target.exists():
        yield f"{target}: exists already"


def _copies(source: Path, service: Service) -> Iterator[tuple[str, Path]]:
    context = source / service.context
    dockerfile = context / service.dockerfile
    if service.image is None:
        if not dockerfile.is_file():
            raise FileProblem(f"{dockerfile}: no such file")
        yield "environment/Dockerfile", dockerfile
        copied = read_text(dockerfile)
        for path in tree(context):
            name = path.relative_to(context)
            if path != dockerfile and (name.parts[0] not in _NOT_CONTEXT or _is_copied(copied, name.parts[0])):
                yield f"environment/{name.as_posix()}", path
    if (source / "tests").is_dir():
        for path in tree(source / "tests"):
            yield f"tests/{path.relative_to(source / 'tests').as_posix()}", path
    yield "tests/run-tests.sh", source / "run-tests.sh"
    if (source / "solution.sh").is_file():
        yield "solution/solve.sh", source / "solution.sh"


def _is_copied(dockerfile: str, name: str) -> bool:
    """Whether the image takes a file along that is otherwise none of its business."""
    lines = (line.split() for line in dockerfile.splitlines())
    return any(words and words[0].upper() in {"COPY", "ADD"} and _names(words[1:-1], name) for words in lines)


def _names(words: list[str], name: str) -> bool:
    return any(word.removeprefix("./").rstrip("/").split("/")[0] in (name, ".", "") for word in words)


def _write(plan: _Plan) -> None:
    for name, path in plan.files.items():
        place = plan.target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    test = plan.target / "tests" / "test.sh"
    test.write_text(_TEST)
    test.chmod(0o755)
    (plan.target / "instruction.md").write_text(plan.task.instruction.rstrip("\n") + "\n")
    (plan.target / "task.toml").write_text(_toml(plan))


def _toml(plan: _Plan) -> str:
    service = plan.service
    image = {"docker_image": service.image} if service.image else {}
    workdir = {"workdir": service.workdir} if service.workdir else {}
    sections: dict[str, Table] = {
        "": {"schema_version": "1.4"},
        "metadata": plan.metadata,
        "agent": {"timeout_sec": plan.task.max_agent_timeout_sec},
        "verifier": {"timeout_sec": plan.task.max_test_timeout_sec},
        "environment": {**image, **workdir},
        "environment.env": {**service.env, "TEST_DIR": "/tests"},
    }
    return "\n".join(_section(name, table) for name, table in sections.items() if table)


def _section(name: str, table: Table) -> str:
    lines = [f"{_value(key)} = {_value(value)}\n" for key, value in table.items() if value is not None]
    return "".join([f"[{name}]\n" if name else "", *lines])


def _value(value: object) -> str:
    # A JSON text, number, list or boolean is one of TOML too, but for one character; all else becomes a text.
    if isinstance(value, dict) or (
        isinstance(value, list) and any(item is None for item in cast("list[object]", value))
    ):
        value = msgspec.json.encode(value).decode()
    if not isinstance(value, str | int | float | list):
        value = str(value)
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")
