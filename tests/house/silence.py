"""Finds handlers that lose an exception without a trace."""

from __future__ import annotations

import ast
from collections.abc import Iterator

EVERYTHING = {"BaseException", "Exception"}


def swallowed(source: str, module: str) -> list[str]:
    """Return bare handlers, silent ones that catch everything, and those that drop a BaseException."""
    return [f"{module}:{line}: {what}" for line, what in sorted(_findings(ast.parse(source, module)))]


def _findings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and (what := _handler_fault(node)):
            yield node.lineno, what
        if isinstance(node, ast.Call) and _name(node.func) == "suppress" and EVERYTHING & {_name(a) for a in node.args}:
            yield node.lineno, "suppresses everything"


def _handler_fault(handler: ast.ExceptHandler) -> str:
    if handler.type is None:
        return "bare except"
    caught = _caught(handler.type)
    if caught & EVERYTHING and all(_is_silent(statement) for statement in handler.body):
        return "catches everything and says nothing"
    if "BaseException" in caught and not _keeps(handler):
        return "drops a BaseException"
    return ""


def _caught(kind: ast.expr) -> set[str]:
    return {_name(item) for item in kind.elts} if isinstance(kind, ast.Tuple) else {_name(kind)}


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _is_silent(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Continue() | ast.Break() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=None | ast.Constant()):
            return True
        case _:
            return False


def _keeps(handler: ast.ExceptHandler) -> bool:
    """Tell whether the handler raises, or uses the exception it has bound to a name."""
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    named = handler.name is not None and any(isinstance(n, ast.Name) and n.id == handler.name for n in inside)
    return named or any(isinstance(node, ast.Raise) for node in inside)
