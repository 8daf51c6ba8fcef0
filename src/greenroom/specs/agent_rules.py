"""What an `AgentSpec` must be, checked before the first rollout: one function per field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import cast, get_args

from greenroom.specs.agent import AgentSpec, Dialect, Invocation, Launch, NpmRecipe, PythonRecipe

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NPM = re.compile(r"(@[a-z0-9._-]+/)?[a-z0-9._-]+@(\d+\.\d+\.\d+[0-9A-Za-z.+-]*|file:.+)")
_PYTHON = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?(==[0-9A-Za-z.!+-]+| @ file:.+)")
_EXACT = re.compile(r"\d+\.\d+\.\d+")
_KEY = "key-0b5f1d7c9a"
_PROBE = Launch(
    instruction="-x $(id) `id` 'one' \"two\"\nthree\n",
    base_url="http://127.0.0.1:8080/v1",
    api_key=_KEY,
    model="a-model",
    home="/home/a b",
    workdir="/workspace",
    prefix="/prefix",
    python="/usr/bin/python3",
    seconds=60.0,
)
"""What the builder is tried with."""


def check_agent(spec: AgentSpec) -> None:
    """Raises `ValueError` that names the agent, the field and the remedy for the first rule the spec breaks."""
    for field, problem in _problems(spec):
        raise ValueError(f"agent {spec.name!r}: {field}: {problem}")


def _problems(spec: AgentSpec) -> Iterator[tuple[str, str]]:
    for field, found in (
        ("name", _name(spec.name)),
        ("dialect", _dialect(spec.dialect)),
        ("recipe", _recipe(spec.recipe)),
        ("check", _check(spec.check)),
        ("command", _command(spec)),
    ):
        yield from ((field, problem) for problem in found)


def _name(name: object) -> Iterator[str]:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield "use lower-case letters, digits, '.', '_' and '-', a letter or digit first"


def _dialect(dialect: object) -> Iterator[str]:
    if dialect not in get_args(Dialect):
        yield f"{dialect!r} is not one of {', '.join(get_args(Dialect))}"


def _recipe(recipe: object) -> Iterator[str]:
    match recipe:
        case None:
            return
        case NpmRecipe(packages=packages, node=node):
            yield from _packages(packages, _NPM, "name@1.2.3")
            if node is not None and not _EXACT.fullmatch(str(node)):
                yield f"node {node!r} is not an exact version; write one such as '24.19.0'"
        case PythonRecipe(packages=packages):
            yield from _packages(packages, _PYTHON, "name==1.2.3")
        case _:
            yield f"is {type(recipe).__name__}; use NpmRecipe, PythonRecipe or None"


def _packages(packages: object, pattern: re.Pattern[str], form: str) -> Iterator[str]:
    if not (isinstance(packages, tuple) and packages):
        yield f"packages must be a tuple with at least one {form!r}"
        return
    for package in cast("tuple[object, ...]", packages):
        if not (isinstance(package, str) and pattern.fullmatch(package)):
            yield f"package {package!r} is not pinned to an exact version; write {form!r}"


def _check(check: object) -> Iterator[str]:
    if not _is_argv(check):
        yield "must be a tuple of strings, a program and its arguments"


def _command(spec: AgentSpec) -> Iterator[str]:
    if not callable(spec.command):
        yield "must be a function that takes a Launch and returns an Invocation"
        return
    try:
        built = spec.command(_PROBE)
        again = spec.command(_PROBE)
    except Exception as error:  # noqa: BLE001 - a boundary: the author's code
        yield f"fails on an ordinary Launch: {error!r}"
        return
    if not isinstance(built, Invocation):
        yield f"returned {type(built).__name__}; return an Invocation"
        return
    if built != again:
        yield "gave two different results for the same Launch; it must depend on nothing else"
    yield from _invocation(built)


def _invocation(built: Invocation) -> Iterator[str]:
    if not (built.argv and _is_argv(built.argv)):
        yield "argv must be a tuple of strings that begins with a program"
        return
    if any(_KEY in argument for argument in built.argv):
        yield "puts the API key in argv, where every process can read it; use env or files"
    if not (_is_text_dict(built.env) and _is_text_dict(built.files)):
        yield "env and files must be dicts of strings"
        return
    for path in built.files:
        if ".." in PurePosixPath(path).parts:
            yield f"file {path!r} leaves its directory; write the path without '..'"


def _is_argv(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in cast("tuple[object, ...]", value))


def _is_text_dict(value: object) -> bool:
    pairs = cast("dict[object, object]", value).items() if isinstance(value, dict) else ()
    return isinstance(value, dict) and all(isinstance(item, str) for pair in pairs for item in pair)
