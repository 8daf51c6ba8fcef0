"""Finds loops that sleep to look whether something has happened."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple

Rule = Callable[[str, str], list[str]]
"""A house rule: source text and module name to findings, ``qualified.name:line: what``."""

SLEEPS = {"sleep", "sleep_until", "checkpoint", "checkpoint_if_cancelled", "cancel_shielded_checkpoint"}
LOOPS = (ast.While, ast.For, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
TIMED_WAITS = {"get", "join", "poll", "select", "wait"}


class Site(NamedTuple):
    """One call, and what decides whether it polls."""

    caller: str
    callee: str
    line: int
    looped: bool
    sleeps: bool
    awaited: bool


class _Calls(ast.NodeVisitor):
    """Collects every call with the function it stands in and whether a loop of that function repeats it."""

    def __init__(self, module: str) -> None:
        self.scope = [module]
        self.classes: list[str] = []
        self.loops = 0
        self.aliases: dict[str, str] = {}
        self.coroutines: set[str] = set()
        self.awaited: set[ast.AST] = set()
        self.sites: list[Site] = []

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.aliases |= {name.asname: name.name for name in node.names if name.asname}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.classes.append(".".join([*self.scope, node.name]))
        self._enter(node, node.name)
        self.classes.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.coroutines.add(".".join([*self.scope, node.name]))
        self._enter(node, node.name)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node, node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._enter(node, "<lambda>")

    def _enter(self, node: ast.AST, name: str) -> None:
        outer, self.loops = self.loops, 0
        self.scope.append(name)
        self.generic_visit(node)
        self.scope.pop()
        self.loops = outer

    def generic_visit(self, node: ast.AST) -> None:
        looping = isinstance(node, LOOPS)
        self.loops += looping
        super().generic_visit(node)
        self.loops -= looping

    def visit_Await(self, node: ast.Await) -> None:
        self.awaited.add(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._last_name(node.func)
        sleeps = name in SLEEPS or (name in TIMED_WAITS and _has_fixed_timeout(node, name))
        callee = f"{self.classes[-1]}.{name}" if self.classes and _is_method(node.func) else name
        caller = ".".join(self.scope)
        self.sites.append(Site(caller, callee, node.lineno, self.loops > 0, sleeps, node in self.awaited))
        self.generic_visit(node)

    def _last_name(self, function: ast.expr) -> str:
        match function:
            case ast.Attribute(attr=name):
                return name
            case ast.Name(id=name):
                return self.aliases.get(name, name)
            case _:
                return ""


def _is_method(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "self"


def _has_fixed_timeout(call: ast.Call, name: str) -> bool:
    """Tell whether a wait gives up after a number written beside it, which in a loop is a sleep by another name."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if name == "wait":
        given += call.args[:1]
    return any(isinstance(value, ast.Constant) and isinstance(value.value, int | float) for value in given)


def _sleepers(calls: _Calls, module: str) -> set[str]:
    """Return the functions of the module that sleep, by themselves or through one another."""
    found: set[str] = set()
    while more := {site.caller for site in calls.sites if _naps(site, found, calls, module)} - found:
        found |= more
    return found


def _naps(site: Site, sleepers: set[str], calls: _Calls, module: str) -> bool:
    if site.sleeps:
        return True
    called = {site.callee, f"{module}.{site.callee}"} & sleepers
    # A coroutine that is only made, for somebody else to run, delays nobody here.
    return any(site.awaited or name not in calls.coroutines for name in called)


def polls(source: str, module: str) -> list[str]:
    """Return the calls that sleep inside a loop, through helpers of the same module too."""
    calls = _Calls(module)
    calls.visit(ast.parse(source, module))
    sleepers = _sleepers(calls, module)
    looped = [site for site in calls.sites if site.looped and _naps(site, sleepers, calls, module)]
    return [f"{site.caller}:{site.line}: {site.callee.rpartition('.')[2]}() in a loop" for site in looped]
