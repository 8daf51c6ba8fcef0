"""`greenroom agents try`: the loop of whoever writes an agent's spec."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

import anyio
import click
import msgspec

from greenroom.cli.errors import BadInput, Failed
from greenroom.cli.logs import log_to
from greenroom.cli.output import columns
from greenroom.cli.sandbox_check import require
from greenroom.cli.sandbox_option import parse_sandbox
from greenroom.engine import EngineError
from greenroom.engine.agent_check import AgentCheck, Step, check
from greenroom.introspection.render import escape, table
from greenroom.specs import AgentSpec, SandboxSpec, Simulated
from greenroom.specs.checking import CHECKING
from greenroom.specs.command_rules import place_of
from greenroom.specs.registry import agent_spec

_MARKS: Final = {"ok": "ok", "failed": "FAILED", "skipped": "-"}
_FORMS: Final = "give the name of an agent (see `greenroom agents`), or FILE.py:NAME"


class _Broken(Exception):
    """The author's file raised."""


def try_agent(text: str, *, sandbox: str, unsafe: bool, seconds: float, as_json: bool) -> int:
    """Say step by step what works; the exit status is 0 if nothing fails.

    Raises:
        BadInput: There is no such agent, or the sandbox is not for it.
        Failed: It could not be tried.
    """
    where = parse_sandbox(sandbox, unsafe=unsafe)
    if isinstance(where, Simulated):
        raise BadInput(f"--sandbox {sandbox}: an agent is tried where programs run; use local or docker")
    # What the author's code prints is not what was asked for.
    with redirect_stdout(sys.stderr):
        try:
            spec = _spec(text)
        except _Broken as error:
            found = AgentCheck(steps=(Step(name="spec", state="failed", detail=str(error)),))
        else:
            text = spec.name
            require(where)
            log_to(None, terminal=True)
            found = _check(spec, where, seconds)
    if as_json:
        known = {"agent": text, "good": found.good, "steps": found.steps, "log": found.log}
        click.echo(msgspec.json.encode(known))
    else:
        click.echo(_text(text, found))
    return 0 if found.good else 1


def _check(spec: AgentSpec, where: SandboxSpec, seconds: float) -> AgentCheck:
    async def main() -> AgentCheck:
        return await check(spec, where, seconds=seconds, progress=_say)

    try:
        return anyio.run(main)
    except EngineError as error:
        raise Failed(f"the engine failed: {error}") from error


def _spec(text: str) -> AgentSpec:
    """The agent that is meant. Raises `BadInput`, and `_Broken` if its file does not run."""
    file, colon, name = text.rpartition(":")
    if not colon and text.endswith(".py"):
        file, name = text, ""
    if not file:
        return _known(text)
    path = Path(file)
    if path.suffix != ".py":
        raise BadInput(f"{text}: a spec is written in Python; {_FORMS}")
    if not path.is_file():
        raise BadInput(f"{file}: no such file; {_FORMS}")
    return _named(text, _load(path), name)


def _known(name: str) -> AgentSpec:
    try:
        spec = agent_spec(name)
    except ValueError as error:
        raise BadInput(f"{error}; {_FORMS}") from error
    if spec in CHECKING or spec.name == "simulated":
        raise BadInput(f"{spec.name}: is no program that talks to a model, so there is nothing to try")
    return spec


def _load(path: Path) -> ModuleType:
    """The module of a file, run as Python runs one: what lies beside it can be imported."""
    found = spec_from_file_location(f"tried_{path.stem}", path)
    if found is None or found.loader is None:
        raise BadInput(f"{path}: cannot be imported")
    module = module_from_spec(found)
    sys.modules[found.name] = module
    sys.path.insert(0, str(path.parent.absolute()))
    sys.dont_write_bytecode = True  # nothing is left beside it
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a boundary: the author's code
        raise _Broken(f"{path} does not run: {type(error).__name__}: {error} ({place_of(error)})") from error
    return module


def _named(text: str, module: ModuleType, name: str) -> AgentSpec:
    specs = {key: value for key, value in vars(module).items() if isinstance(value, AgentSpec)}
    if not name and len(specs) == 1:
        return next(iter(specs.values()))
    if name in specs:
        return specs[name]
    there = ", ".join(specs) or "none"
    if name in vars(module):
        what = f"{name} is {type(vars(module)[name]).__name__}, not an AgentSpec"
    else:
        what = f"there is no {name} in this file" if name else "say which agent, as FILE.py:NAME"
    raise BadInput(f"{text}: {what}; its agents are: {there}")


def _text(name: str, found: AgentCheck) -> str:
    rows = [(_MARKS[step.state], step.name, step.detail) for step in found.steps]
    failed = [step for step in found.steps if step.state == "failed"]
    remedies = [f"  {step.name}: {step.remedy}" for step in failed if step.remedy]
    lines = [table(("STATE", "STEP", "FOUND"), rows, (), columns())]
    if remedies:
        lines += ["", "What would help:", *map(escape, remedies)]
    if failed and found.log:
        lines += ["", "The end of its log:", *(f"  {escape(line)}" for line in found.log.splitlines())]
    verdict = "works" if not failed else "does not work yet"
    return "\n".join([*lines, "", escape(f"{name} {verdict}")])


def _say(line: str) -> None:
    click.echo(escape(line), err=True)
