"""What an `AgentSpec` must be, checked before the first rollout: one function per field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import cast, get_args

from greenroom.specs.agent import AgentSpec, Delivery, Dialect, NpmRecipe, Proof, PythonRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.command_rules import command_problems, is_argv, is_text_dict, place_of, text_dict_problems
from greenroom.specs.mcp_server import McpServer

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NPM_NAME = r"(@[a-z0-9._-]+/)?[a-z0-9._-]+"
_NPM = re.compile(rf"{_NPM_NAME}@((npm:{_NPM_NAME}@)?\d+\.\d+\.\d+[0-9A-Za-z.+-]*|file:.+)")
_PYTHON = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?(==[0-9A-Za-z.!+-]+| @ file:.+)")
_MINOR = re.compile(r"3\.\d+")
_EXACT = re.compile(r"\d+\.\d+\.\d+")
_SERVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LINES = ("", "no JSON", "{", "[]", "7", "null", "{}", '{"type": 7}', '{"type": "item.completed", "item": []}')
"""What an event parser is tried with: agents print all sorts of things."""


def check_agent(spec: AgentSpec) -> None:
    """Raises `ValueError` that names the agent, the field and the remedy for the first rule the spec breaks."""
    for field, problem in _problems(spec):
        raise ValueError(f"agent {spec.name!r}: {field}: {problem}")


def _problems(spec: AgentSpec) -> Iterator[tuple[str, str]]:
    for field, problems in _RULES.items():
        yield from ((field, problem) for problem in problems(spec))


def _name(spec: AgentSpec) -> Iterator[str]:
    if not _is_name(spec.name, _NAME):
        yield "use lower-case letters, digits, '.', '_' and '-', a letter or digit first"


def _recipe(spec: AgentSpec) -> Iterator[str]:
    recipe: object = spec.recipe
    match recipe:
        case None:
            return
        case NpmRecipe(packages=packages, node=node):
            yield from _packages(packages, _NPM, "name@1.2.3")
            if node is not None and not _EXACT.fullmatch(str(node)):
                yield f"node {node!r} is not an exact version; write one such as '24.19.0'"
            yield from _lock(recipe.lock)
        case PythonRecipe(packages=packages, python=python):
            yield from _packages(packages, _PYTHON, "name==1.2.3")
            if python is not None and not _MINOR.fullmatch(str(python)):
                yield f"python {python!r} is not a version such as '3.12'"
            yield from _lock(recipe.lock)
            if not is_argv(recipe.sources):
                yield "sources must be a tuple of packages' names"
        case _:
            yield f"is {type(recipe).__name__}; use NpmRecipe, PythonRecipe or None"


def _lock(lock: object) -> Iterator[str]:
    if lock is not None and not (isinstance(lock, str) and PurePosixPath(lock).is_absolute()):
        yield f"lock {lock!r} is not an absolute path; write str(Path(__file__).with_name('my-agent.lock'))"


def _packages(packages: object, pattern: re.Pattern[str], form: str) -> Iterator[str]:
    if not (isinstance(packages, tuple) and packages):
        yield f"packages must be a tuple with at least one {form!r}"
        return
    for package in cast("tuple[object, ...]", packages):
        if not _is_name(package, pattern):
            yield f"package {package!r} is not pinned to an exact version; write {form!r}"


def _version(spec: AgentSpec) -> Iterator[str]:
    version: object = spec.version
    if not isinstance(version, str):
        yield "must be a string such as '1.2.3'"
    elif version and spec.recipe is not None and version not in spec.recipe.packages[0]:
        yield f"{version!r} is not what the recipe installs, {spec.recipe.packages[0]!r}; make them agree"


def _check(spec: AgentSpec) -> Iterator[str]:
    if not is_argv(spec.check):
        yield "must be a tuple of strings, a program and its arguments"


def _requires(spec: AgentSpec) -> Iterator[str]:
    if not (is_argv(spec.requires) and all(name and "/" not in name for name in spec.requires)):
        yield "must be a tuple of programs' names without their directories, such as ('git',)"


def _model_format(spec: AgentSpec) -> Iterator[str]:
    if not (isinstance(cast("object", spec.model_format), str) and "{model}" in spec.model_format):
        yield f"{spec.model_format!r} does not hold '{{model}}', where the model's name goes"


def _approvals(spec: AgentSpec) -> Iterator[str]:
    given: object = spec.approvals
    if not (isinstance(given, dict) and all(is_argv(flags) for flags in cast("dict[str, object]", given).values())):
        yield "must be a dict from what is permitted to a tuple of arguments, {'all_tools': ('--yes',)}"


def _approve(spec: AgentSpec) -> Iterator[str]:
    if not is_argv(spec.approve):
        yield "must be a tuple of names from `approvals`"
        return
    for name in spec.approve:
        if name not in spec.approvals:
            yield f"{name!r} is not among its approvals; they are: {', '.join(spec.approvals) or 'none'}"


def _mcp_servers(spec: AgentSpec) -> Iterator[str]:
    servers: object = spec.mcp_servers
    if not isinstance(servers, tuple):
        yield "must be a tuple of McpServer"
        return
    if servers and not spec.mcp:
        yield "this agent cannot be given any; leave it empty, or choose an agent with mcp=True"
    names: list[str] = []
    for server in cast("tuple[object, ...]", servers):
        yield from _mcp_server(server, names)


def _mcp_server(server: object, names: list[str]) -> Iterator[str]:
    if not isinstance(server, McpServer):
        yield f"holds {type(server).__name__}; write McpServer(name=..., command=(...))"
        return
    if not _is_name(server.name, _SERVER_NAME) or server.name in names:
        yield f"name {server.name!r} must be used once, of up to 32 letters, digits, '_' and '-'"
    names.append(server.name)
    if not (server.command and is_argv(server.command)):
        yield f"{server.name!r}: command must be a tuple of strings that begins with a program"
    if not is_text_dict(server.env):
        yield f"{server.name!r}: env must be a dict of strings"


def _events(spec: AgentSpec) -> Iterator[str]:
    if spec.events is None:
        return
    if not callable(spec.events):
        yield "must be a function from a line of output to a tuple of AgentEvent, or None"
        return
    for line in _LINES:
        try:
            found: object = spec.events(line)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the author's code
            yield f"fails on the line {line!r}: {error!r} ({place_of(error)}); give () for what is not the agent's"
            return
        if not (isinstance(found, tuple) and all(isinstance(e, AgentEvent) for e in cast("tuple[object, ...]", found))):
            yield f"gave {found!r} for the line {line!r}; return a tuple of AgentEvent"
            return


def _artifacts(spec: AgentSpec) -> Iterator[str]:
    if not is_argv(spec.artifacts):
        yield "must be a tuple of patterns such as ('.agent/sessions/*.jsonl',)"
        return
    for pattern in spec.artifacts:
        path = PurePosixPath(pattern)
        if not path.parts or path.is_absolute() or ".." in path.parts or any(c in pattern for c in "\n\0"):
            yield f"{pattern!r} is not below the home directory; write it relative, without '..'"


def _timeouts(spec: AgentSpec) -> Iterator[str]:
    known: object = spec.timeouts
    if not (isinstance(known, tuple) and all(isinstance(item, Timeout) for item in cast("tuple[object, ...]", known))):
        yield "must be a tuple of Timeout(what=..., seconds=..., lifted=...)"


def _is_name(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(field: str, allowed: object) -> Callable[[AgentSpec], Iterator[str]]:
    def rule(spec: AgentSpec) -> Iterator[str]:
        value = getattr(spec, field)
        if value not in get_args(allowed):
            yield f"{value!r} is not one of {', '.join(get_args(allowed))}"

    return rule


def _flag(field: str) -> Callable[[AgentSpec], Iterator[str]]:
    def rule(spec: AgentSpec) -> Iterator[str]:
        value = getattr(spec, field)
        if not isinstance(value, bool):
            yield f"{value!r} is neither True nor False"

    return rule


def _texts(field: str, *, variables: bool) -> Callable[[AgentSpec], Iterator[str]]:
    return lambda spec: text_dict_problems(getattr(spec, field), variables=variables)


_RULES: dict[str, Callable[[AgentSpec], Iterator[str]]] = {
    "name": _name,
    "dialect": _one_of("dialect", Dialect),
    "recipe": _recipe,
    "version": _version,
    "check": _check,
    "requires": _requires,
    "delivery": _one_of("delivery", Delivery),
    "model_format": _model_format,
    "env": _texts("env", variables=True),
    "quiet": _texts("quiet", variables=True),
    "files": _texts("files", variables=False),
    "approvals": _approvals,
    "approve": _approve,
    "mcp_servers": _mcp_servers,
    "solves": _flag("solves"),
    "exit_code_lies": _flag("exit_code_lies"),
    "may_be_silent": _flag("may_be_silent"),
    "events": _events,
    "artifacts": _artifacts,
    "timeouts": _timeouts,
    "proof": _one_of("proof", Proof),
    # Last: it is tried with the rest of the spec.
    "command": command_problems,
}
