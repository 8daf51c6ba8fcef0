"""What the values of a task's fields may be. Each rule gives what is wrong, as text to follow the field's name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from greenroom.specs import Artifact, Collect, Environment, Healthcheck, Solution, TaskSpec, Upload

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_PLAIN = "paths relative to the work directory, without '..'"


def _id(value: str) -> Iterator[str]:
    if not _ID.fullmatch(value):
        yield (
            f": {value!r} cannot be an id; allowed: letters, digits, '.', '_' and '-', "
            "at most 128, a letter, digit or '_' first"
        )


def _text(value: str) -> Iterator[str]:
    if not value.strip():
        yield ": is empty"


def is_plain(name: str) -> bool:
    """Whether this is a path that stays below where it begins, written in the one usual way."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or str(path) != name or "\0" in name or name == ".")


def _paths(value: dict[str, str]) -> Iterator[str]:
    for name in value:
        if not is_plain(name):
            yield f"[{name!r}]: not a plain path; allowed: {_PLAIN}"
        for parent in PurePosixPath(name).parents:
            if str(parent) in value:
                yield f"[{name!r}]: {str(parent)!r} is a file too, so it cannot hold another"


def _commands(value: tuple[str, ...]) -> Iterator[str]:
    for index, command in enumerate(value):
        if "\0" in command or not command.strip():
            yield f"[{index}]: not a command; allowed: shell text, not empty, without NUL"


def _env(value: dict[str, str]) -> Iterator[str]:
    for name, text in value.items():
        if not _ENV_NAME.fullmatch(name) or "\0" in text:
            yield f"[{name!r}]: not a variable; allowed: letters, digits and '_', no digit first, a value without NUL"


def _seconds(value: float) -> Iterator[str]:
    if not (0 < value < math.inf):
        yield f": {value!r} is no duration; allowed: seconds above 0"


def _from_zero(value: float) -> Iterator[str]:
    if not (0 <= value < math.inf):
        yield f": {value!r} is no duration; allowed: seconds, 0 and more"


def _count(value: float) -> Iterator[str]:
    if not (0 < value < math.inf):
        yield f": {value!r} is too little; allowed: more than 0"


def _turns(value: int) -> Iterator[str]:
    if value < 1:
        yield f": {value} is no number of turns; allowed: 1 and more"


def _names(value: tuple[str, ...]) -> Iterator[str]:
    for index, name in enumerate(value):
        if name in value[:index]:
            yield f"[{index}]: {name!r} is named twice"


def _metadata(value: dict[str, object]) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            yield f"[{name!r}]: does not fit into 64 bits"


def is_absolute(path: str) -> bool:
    """Whether this is an absolute path, not the root, written in the one usual way."""
    pure = PurePosixPath(path)
    return pure.is_absolute() and ".." not in pure.parts and str(pure) == path != "/" and "\0" not in path


def _absolute(value: str) -> Iterator[str]:
    if not is_absolute(value):
        yield f": {value!r} is no absolute path; allowed: paths below '/', without '..'"


def _each(rule: Callable[[Any], Iterator[str]]) -> Callable[[tuple[Any, ...]], Iterator[str]]:
    def check(values: tuple[Any, ...]) -> Iterator[str]:
        for index, value in enumerate(values):
            yield from (f"[{index}]{at}" for at in rule(value))

    return check


def _fields(**rules: Callable[[Any], Iterator[str]]) -> Callable[[Any], Iterator[str]]:
    """A rule for a Struct, made of rules for its fields."""

    def check(struct: Any) -> Iterator[str]:  # noqa: ANN401 - a Struct of any kind
        for name, rule in rules.items():
            value = getattr(struct, name)
            if value is not None:
                yield from (f".{name}{at}" for at in rule(value))

    return check


def _plain(value: str) -> Iterator[str]:
    if not is_plain(value):
        yield f": {value!r} is not a plain path; allowed: {_PLAIN}"


def _artifact_source(value: str) -> Iterator[str]:
    if not is_plain(value) and not is_absolute(value):
        yield f": {value!r} is not a plain path; allowed: absolute ones below '/', and {_PLAIN}"


def _target(value: str) -> Iterator[str]:
    if value != ".":
        yield from _absolute(value)


def _destination(value: str) -> Iterator[str]:
    if value and (not is_plain(value) or value == "manifest.json"):
        yield f": {value!r} cannot be one; allowed: relative paths without '..', other than manifest.json"


def _score(value: object) -> Iterator[str]:
    if not callable(value) and not (isinstance(value, str) and _FUNCTION.fullmatch(value)):
        yield f": {value!r} is no function; allowed: an async function, or where it is as 'package.module:function'"


_healthcheck: Callable[[Healthcheck], Iterator[str]] = _fields(
    command=_text, interval=_from_zero, timeout=_seconds, start_period=_from_zero, start_interval=_from_zero,
    retries=_count,
)  # fmt: skip
_environment: Callable[[Environment], Iterator[str]] = _fields(
    image=_text, build=_text, build_seconds=_seconds, cpus=_count, memory_mb=_count, storage_mb=_count,
    workdir=_absolute, directories=_each(_absolute), env=_env, healthcheck=_healthcheck,
)  # fmt: skip
_upload: Callable[[Upload], Iterator[str]] = _fields(
    source=_text, target=_target, files=_each(_plain), executable=_each(_plain)
)
_artifact: Callable[[Artifact], Iterator[str]] = _fields(source=_artifact_source, destination=_destination)
_collect: Callable[[Collect], Iterator[str]] = _fields(command=_text, timeout=_seconds)
_solution: Callable[[Solution], Iterator[str]] = _fields(
    commands=_commands, files=_paths, uploads=_each(_upload), env=_env
)

CHECKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "id": _id,
    "instruction": _text,
    "files": _paths,
    "uploads": _each(_upload),
    "setup": _commands,
    "verify": _commands,
    "verify_files": _paths,
    "verify_uploads": _each(_upload),
    "verify_env": _env,
    "verify_user": _text,
    "verify_environment": _environment,
    "collect": _each(_collect),
    "artifacts": _each(_artifact),
    "reward_files": _each(_absolute),
    "score": _score,
    "solution": _solution,
    "environment": _environment,
    "env": _env,
    "agent_user": _text,
    "deadline": _seconds,
    "agent_timeout": _seconds,
    "model_wait": _from_zero,
    "retry_with": _from_zero,
    "setup_timeout": _seconds,
    "verify_timeout": _seconds,
    "max_turns": _turns,
    "host_tools": _names,
    "metadata": _metadata,
}


def check_together(task: TaskSpec) -> Iterator[str]:
    """Fields that are right by themselves, but not beside each other."""
    if task.reward_files and task.reward != "file":
        yield f"$.reward_files: is for reward = 'file'; here reward is {task.reward!r}"
    if task.verify_environment is not None and task.verifier != "isolated":
        yield "$.verify_environment: is for verifier = 'isolated'; here the verifier is shared"
    if task.reward == "file" and not task.verify and task.score is None:
        yield "$.reward: 'file' needs verify commands that write it"
    if task.solution is not None and not task.solution.commands:
        yield "$.solution.commands: none; allowed: one or more"
    for name, environment in (("environment", task.environment), ("verify_environment", task.verify_environment)):
        if environment is not None and environment.image is not None and environment.build is not None:
            yield f"$.{name}.build: given beside image; only one of them may"
