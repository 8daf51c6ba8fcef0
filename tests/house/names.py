"""What a text mentions of the repository: names, files, targets, variables; and which of it is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import click

import greenroom
from tests.house.texts import code

_SHORT = re.compile(r"(?<![\w.])gr\.([A-Za-z_]\w*)")
_LONG = re.compile(r"(?<![\w./-])greenroom(?:\.\w+)+")
_FILE = re.compile(r"(?<![\w./-])(?:docs|src|tests|bench|examples|\.ci)/[\w./-]*")
_MAKE = re.compile(r"^make((?: [\w-]+(?![\w=-]))+)")
_VARIABLE = re.compile(r"\bGREENROOM_[A-Z_]+\b")


def unknown(text: str, exceptions: set[str], receivers: Mapping[str, type]) -> list[str]:
    """Return the names in a text's code that do not exist."""
    pieces = list(code(text))
    short = [name for name in _SHORT.findall(text) if name not in greenroom.__all__]
    long = [name for piece in pieces for name in _LONG.findall(piece) if name not in exceptions and not _exists(name)]
    verbs = [
        f"{receiver}.{verb}"
        for receiver, kind in receivers.items()
        for piece in pieces
        for verb in re.findall(rf"(?<![\w./('-]){receiver}\.(?!md\b|py\b)([a-z]\w*)", piece)
        if not hasattr(kind, verb)
    ]
    return short + long + verbs


def _exists(name: str) -> bool:
    module, *rest = name.split(".")
    value: Any = import_module(module)
    for word in rest:
        module = f"{module}.{word}"
        if not hasattr(value, word):
            try:
                import_module(module)
            except ModuleNotFoundError:
                return False
        value = getattr(value, word)
    return True


def files(text: str) -> list[str]:
    """Return the paths in a text's code that begin with a directory of the repository."""
    return [path for piece in code(text) for path in _FILE.findall(piece)]


def made(text: str) -> set[str]:
    """Return what a text's code shows after ``make``."""
    return {word for piece in code(text) if (match := _MAKE.match(piece)) for word in match[1].split()}


def variables(text: str) -> set[str]:
    """Return the environment variables of ours in a text."""
    return set(_VARIABLE.findall(text))


def read_variables(source: str) -> set[str]:
    """Return the environment variables of ours that Python code reads."""
    return {name for name in _reads(ast.parse(source)) if _VARIABLE.fullmatch(name)}


def _reads(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(name))) if _is_environment(value):
                yield name
            case ast.Call(func=ast.Attribute(attr="get", value=value), args=[ast.Constant(value=str(name)), *_]):
                if _is_environment(value):
                    yield name
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Compare(left=ast.Constant(value=str(name)), comparators=[value]) if _is_environment(value):
                yield name
            case _:
                pass


def _is_environment(node: ast.expr) -> bool:
    return "environ" in {getattr(node, "attr", ""), getattr(node, "id", "")}


def commands(app: click.Group, above: str = "") -> Iterator[str]:
    """Yield the words of every command that does something."""
    for name, command in app.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


def prefixes(line: str) -> Iterator[str]:
    """Yield the first words of a command line of ours: one, two."""
    words = line.split()[1:]
    yield from (" ".join(words[:count]) for count in (1, 2))
