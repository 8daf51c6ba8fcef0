"""Whoever types `help(...)` gets help: every public name of every package can be read, and says what it is."""

from __future__ import annotations

import builtins
import inspect
import pkgutil
import pydoc
import re
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import greenroom

PUBLIC = {
    "greenroom",
    "greenroom.engine",
    "greenroom.interception",
    "greenroom.kernel",
    "greenroom.messages",
    "greenroom.sandboxes",
    "greenroom.specs",
    "greenroom.testing",
}
"""Those that are surely there, whatever else is found."""
ADDRESS = re.compile(r"<[^<>\n]* at 0x[0-9a-f]+>")
FOREIGN = {"<anyio._core._tasks._IgnoredTaskStatus object>": "how anyio has it: the default of every `task_status`"}


def packages() -> Iterator[ModuleType]:
    """Every module that says what is public in it."""
    below = pkgutil.walk_packages(greenroom.__path__, "greenroom.")
    for found in [greenroom.__name__, *(found.name for found in below)]:
        if not found.endswith("__main__"):
            module = import_module(found)
            if hasattr(module, "__all__"):
                yield module


def names() -> list[tuple[str, str]]:
    """Every public name, with its package."""
    return [(module.__name__, name) for module in packages() for name in module.__all__]


NAMES = names()


def is_alias(value: object) -> bool:
    """Whether it is another name of types, like ``Literal["a", "b"]``, which has no docstring and is never called."""
    return typing.get_origin(value) is not None


def has_builtin_constructor(value: object) -> bool:
    """Whether it is an exception that is made as Python's own are, which say nothing of their arguments."""
    return isinstance(value, type) and issubclass(value, BaseException) and value.__init__ in _BUILTIN


_BUILTIN = [vars(kind).get("__init__") for kind in vars(builtins).values() if isinstance(kind, type)]


def callables(value: object) -> Iterator[Callable[..., Any]]:
    """It, and what a user calls on it."""
    if callable(value) and not is_alias(value):
        yield value
    if isinstance(value, type):
        for name, member in vars(value).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function) and (not name.startswith("_") or name == "__init__"):
                yield function


def test_all_packages_are_looked_at() -> None:
    """The test sees what it is meant to see."""
    assert {package for package, _ in NAMES} >= PUBLIC


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_help_is_helpful(package: str, name: str) -> None:
    """`help` of a public name works, and says what it is; no default in it is an address in memory."""
    value = getattr(import_module(package), name)
    text = pydoc.plain(pydoc.render_doc(value))
    if inspect.isclass(value) or inspect.isroutine(value):
        assert name in text
        assert inspect.getdoc(value)
    assert {re.sub(" at 0x[0-9a-f]+", "", found) for found in ADDRESS.findall(text)} <= FOREIGN.keys()


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_signatures_can_be_read(package: str, name: str) -> None:
    """`inspect.signature` works for whatever can be called, and for its public methods."""
    for function in callables(getattr(import_module(package), name)):
        if not has_builtin_constructor(function):
            assert isinstance(inspect.signature(function), inspect.Signature)


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_annotations_can_be_resolved(package: str, name: str) -> None:
    """Every class that the annotations of a public name speak of is found, so that tools can build on them."""
    for function in callables(getattr(import_module(package), name)):
        assert isinstance(typing.get_type_hints(function), dict)


# ------------------------------------------------------------------------------------- the tests' own eyes are open


def test_an_address_is_seen() -> None:
    """A default that is some object shows as an address."""
    thing = object()
    assert ADDRESS.findall(f"x: int = {thing!r}") == [repr(thing)]


def test_an_exception_with_a_constructor_of_its_own_is_no_exception() -> None:
    """Only those whose constructor is Python's are let off."""

    class Own(ValueError):
        def __init__(self, number: int) -> None:
            super().__init__(number)

    class Inherited(ValueError):
        pass

    assert has_builtin_constructor(Inherited)
    assert not has_builtin_constructor(Own)
