"""Harbor's task directories, schema versions up to 1.4, made into tasks of ours without a change to them.

What is not honoured is refused by field. Semantics, run order and paths are Harbor's: ``environment/`` is the image,
``tests/`` is uploaded to ``/tests`` once the agent is dead, ``/tests/test.sh`` writes ``/logs/verifier/reward.json`` or
``reward.txt``, its exit code is not looked at, and ``solution/`` is for the oracle alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from greenroom.engine.settings import MODEL_WAIT
from greenroom.engine.tasks.errors import FileProblem
from greenroom.engine.tasks.harbor_environment import environment, own_image, size_problems, verify_environment
from greenroom.engine.tasks.harbor_refusals import refusals
from greenroom.engine.tasks.harbor_schema import ArtifactTable, TaskTable
from greenroom.engine.tasks.structure import read
from greenroom.engine.tasks.tree import Table, read_text, tree
from greenroom.specs import Artifact, Collect, Solution, Upload
from greenroom.specs.host_env import reference

_CANARY = re.compile(r"(<!--.*canary.*-->|#.*canary.*)", re.IGNORECASE)
_ARTIFACTS = "/logs/artifacts"
_REWARDS = ("/logs/verifier/reward.json", "/logs/verifier/reward.txt")
_MOST = 64 << 20
"""Bytes of a directory that is uploaded: they are in memory while they are."""
_SLACK = 120.0
"""Seconds of a rollout beside building, agent, model and verifier."""
_ATTEMPTS = 2
"""For how many agents there is time, should the first sandbox be lost."""


def is_harbor(path: Path, document: Table) -> bool:
    """Whether a directory with this ``task.toml`` is one of Harbor's, and not of ours."""
    if (path / "environment").is_dir() or {"schema_version", "version", "agent", "steps"} & document.keys():
        return True
    if isinstance(document.get("verifier"), dict) or isinstance(document.get("task"), dict):
        return True
    return (path / "tests" / "test.sh").is_file() and "verify" not in document


def harbor_directory(path: Path, document: Table) -> tuple[Table, list[str]]:
    """The table of our task, or all that is wrong. Raises `FileProblem`, `OSError`."""
    problems: list[str] = []
    task = read(TaskTable, document, "$.", problems)
    if task is None:
        return {}, problems
    problems += [*refusals(task, path), *size_problems(task), *_unset(task)]
    return ({}, problems) if problems else (_table(task, path.resolve()), [])


def strip_canary(text: str) -> str:
    """Leave out the lines at the beginning that mark a text as not to be trained on, and the blank ones after them."""
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if not _CANARY.fullmatch(line.strip())), len(lines))
    start = next((number for number in range(start, len(lines)) if lines[number].strip()), len(lines))
    return "\n".join(lines[start:])


def _table(task: TaskTable, path: Path) -> Table:
    verifier = task.verifier
    table: dict[str, Any] = {
        "id": path.name,
        "instruction": strip_canary(read_text(path / "instruction.md")),
        "environment": environment(task.environment, path / "environment"),
        "env": task.environment.env,
        "expand_env": True,
        "uploads": _context(task, path),
        "verify": ("/tests/test.sh",),
        "verify_env": verifier.env,
        "verify_timeout": verifier.timeout_sec,
        "verify_uploads": () if own_image(task, path) else (_upload(path / "tests", "/tests", "test.sh"),),
        "verify_environment": verify_environment(task, path),
        "verifier": "isolated" if _isolated(task) else "shared",
        "reward": "file",
        "reward_files": _REWARDS,
        "artifacts": _artifacts(task),
        "collect": tuple(Collect(command=hook.command, timeout=hook.timeout_sec) for hook in verifier.collect),
        "solution": _solution(task, path / "solution"),
        "agent_user": _user(task.agent.user),
        "verify_user": _user(verifier.user),
        "metadata": _metadata(task),
    }
    if task.agent.timeout_sec is not None:
        once = task.environment.build_timeout_sec + verifier.timeout_sec + MODEL_WAIT + _SLACK
        table |= {"agent_timeout": task.agent.timeout_sec, "deadline": once + _ATTEMPTS * task.agent.timeout_sec}
    return table


def _isolated(task: TaskTable) -> bool:
    mode = task.verifier.environment_mode
    return mode == "separate" or (mode is None and task.verifier.environment is not None)


def _upload(source: Path, target: str, script: str) -> Upload:
    """A directory that comes with the agent gone, or in its absence: whatever is there is removed first."""
    names = _files(source)
    if script not in names:
        raise FileProblem(f"{source / script}: no such file")
    return Upload(
        source=str(source), target=target, files=names, executable=_runnable(source, names, script), clear=True
    )


def _context(task: TaskTable, path: Path) -> tuple[Upload, ...]:
    """With an image that is there already, what lies in ``environment/`` is put into the work directory."""
    source = path / "environment"
    if task.environment.docker_image is None or not source.is_dir() or (source / "Dockerfile").is_file():
        return ()
    names = _files(source)
    upload = Upload(source=str(source), target=".", files=names, executable=_runnable(source, names))
    return (upload,) if names else ()


def _files(source: Path) -> tuple[str, ...]:
    files = list(tree(source))
    if sum(file.stat().st_size for file in files) > _MOST:
        raise FileProblem(f"{source}: more than {_MOST >> 20} MiB; what is that large belongs into the image")
    return tuple(file.relative_to(source).as_posix() for file in files)


def _runnable(source: Path, names: tuple[str, ...], *scripts: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in scripts or os.access(source / name, os.X_OK))


def _solution(task: TaskTable, source: Path) -> Solution | None:
    if not (source / "solve.sh").is_file():
        return None
    env = {"DEBIAN_FRONTEND": "noninteractive", **task.solution.env}
    upload = _upload(source, "/solution", "solve.sh")
    return Solution(commands=("/solution/solve.sh",), uploads=(upload,), env=env)


def _artifacts(task: TaskTable) -> tuple[Artifact, ...]:
    entries = [ArtifactTable(entry) if isinstance(entry, str) else entry for entry in task.artifacts]
    made = [
        Artifact(source=_slashless(entry.source), destination=entry.destination or "", exclude=tuple(entry.exclude))
        for entry in entries
    ]
    usual = [] if any(artifact.source == _ARTIFACTS for artifact in made) else [Artifact(source=_ARTIFACTS)]
    return (*usual, *made)


def _slashless(path: str) -> str:
    return path.rstrip("/") or path


def _user(user: str | int | None) -> str | None:
    return None if user is None else str(user)


def _metadata(task: TaskTable) -> dict[str, str | int | float | bool]:
    named = {f"task_{key}": value for key, value in task.task.items()}
    found = {**task.metadata, **named, **({"source": task.source} if task.source else {})}
    return {key: _scalar(value) for key, value in found.items() if value is not None}


def _scalar(value: object) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    return msgspec.json.encode(value).decode()


def _unset(task: TaskTable) -> list[str]:
    places = {"environment": task.environment.env, "verifier": task.verifier.env, "solution": task.solution.env}
    if task.verifier.environment is not None:
        places["verifier.environment"] = task.verifier.environment.env
    return [
        f"$.{place}.env.{name}: takes the variable {found[0]} of this machine, which is not set; set it first"
        for place, env in places.items()
        for name, value in env.items()
        if (found := reference(value)) is not None and found[1] is None and found[0] not in os.environ
    ]
