"""What an agent's command must build, tried out with an instruction that a shell would trip over."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import cast

from msgspec.structs import replace

from greenroom.specs.agent import AgentSpec, Invocation, Launch
from greenroom.specs.invocation import invocation
from greenroom.specs.mcp_server import McpServer

_KEY = "key-0b5f1d7c9a"
_INSTRUCTION = "-x $(id) `id` 'one' \"two\"\nthree\n"
_SHELLS = {"sh", "ash", "bash", "dash", "ksh", "zsh", "busybox"}
_LIBRARY = str(PurePosixPath(re.__file__).parent.parent)
"""Where Python's own modules are: an author's mistake is not there."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROBE = Launch(
    instruction=_INSTRUCTION,
    base_url="http://127.0.0.1:8080/v1",
    api_key=_KEY,
    model="a-model",
    home="/home/a b",
    workdir="/workspace",
    prefix="/prefix",
    python="/usr/bin/python3",
    seconds=60.0,
)
"""What the command is tried with."""
_SERVER = McpServer(name="a-server", command=("/workspace/a-server-7c1e",))


def command_problems(spec: AgentSpec) -> Iterator[str]:
    """What is wrong with a spec's command, each with its remedy. The rest of the spec is in order."""
    if not callable(spec.command):
        yield "must be a function that takes a Launch and returns an Invocation"
        return
    try:
        raw = spec.command(_PROBE)
        if not isinstance(raw, Invocation):
            yield f"returned {type(raw).__name__}; return an Invocation"
            return
        if found := list(_shape(raw)):
            yield from found
            return
        built, again = invocation(spec, _PROBE), invocation(spec, _PROBE)
        served = invocation(replace(spec, mcp_servers=(_SERVER,)), _PROBE) if spec.mcp else None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the author's code
        yield f"fails on an ordinary Launch: {error!r} ({place_of(error)})"
        return
    if built != again:
        yield "gave two different results for the same Launch; it must depend on nothing else"
    yield from _secrets(built)
    yield from _instruction(spec, raw, built)
    if served is not None and not _mentions(served, _SERVER.command[0]):
        yield "does not hand launch.mcp_servers on; do so, or say mcp=False"


def place_of(error: BaseException) -> str:
    """Where an author's code raised: file, line, and what stands there."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(("<", _LIBRARY))]
    last = (own or frames)[-1]
    return f"{last.filename}:{last.lineno}: {last.line}"


def text_dict_problems(value: object, *, variables: bool = False) -> Iterator[str]:
    """What is wrong with a dict of environment ``variables``, or of files by path."""
    if not is_text_dict(value):
        yield "must be a dict of strings"
        return
    for name in cast("dict[str, str]", value):
        if variables and not _VARIABLE.fullmatch(name):
            yield f"{name!r} cannot be the name of a variable; use letters, digits and '_'"
        if not variables and ".." in PurePosixPath(name).parts:
            yield f"file {name!r} leaves its directory; write the path without '..'"


def is_argv(value: object) -> bool:
    """Whether it is a tuple of strings."""
    return isinstance(value, tuple) and all(isinstance(item, str) for item in cast("tuple[object, ...]", value))


def is_text_dict(value: object) -> bool:
    """Whether it is a dict with strings only."""
    pairs = cast("dict[object, object]", value).items() if isinstance(value, dict) else ()
    return isinstance(value, dict) and all(isinstance(item, str) for pair in pairs for item in pair)


def _shape(built: Invocation) -> Iterator[str]:
    if not (built.argv and is_argv(built.argv)):
        yield "argv must be a tuple of strings that begins with a program"
        return
    if not (is_text_dict(built.env) and is_text_dict(built.files)):
        yield "env and files must be dicts of strings"
        return
    yield from text_dict_problems(built.env, variables=True)
    yield from text_dict_problems(built.files)


def _secrets(built: Invocation) -> Iterator[str]:
    if any(_KEY in argument for argument in built.argv):
        yield "puts the API key in argv, where every process can read it; use env or files"


def _instruction(spec: AgentSpec, raw: Invocation, built: Invocation) -> Iterator[str]:
    """Whether it gets there, whole, once, and past every shell."""
    text = _INSTRUCTION.strip()
    program = PurePosixPath(built.argv[0]).name
    script = next((after for flag, after in zip(built.argv, built.argv[1:], strict=False) if flag == "-c"), "")
    if program in _SHELLS and text in script:
        yield "pastes the instruction into a shell's script; use delivery='stdin' or 'file'"
        return
    match spec.delivery:
        case "stdin" if raw.stdin not in ("", _INSTRUCTION):
            yield "sets stdin, which delivery='stdin' fills with the instruction; leave it, or say delivery='command'"
        case "file" if not _mentions(built, f"{_PROBE.home}/.greenroom/"):
            yield "does not use launch.instruction_file; name it in argv, or choose another delivery"
        case "command" if not _brings(built, text):
            yield "passes the instruction on neither in argv nor in stdin or a file; do so, or choose another delivery"
        case _:
            return


def _brings(built: Invocation, text: str) -> bool:
    in_json = json.dumps(text, ensure_ascii=False)[1:-1]
    return text in "\0".join((built.stdin, *built.argv)) or any(in_json in file for file in built.files.values())


def _mentions(built: Invocation, text: str) -> bool:
    return any(text in place for place in (*built.argv, *built.env.values(), *built.files.values()))
