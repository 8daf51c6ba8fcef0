"""Finds modules and functions that have grown too long."""

from __future__ import annotations

import ast

MODULE_LINES = 400
FUNCTION_LINES = 50


def too_long(source: str, module: str) -> list[str]:
    """Return the module, if it has more lines than it should, and its functions that do."""
    lines = len(source.splitlines())
    found = [f"{module}: {lines} lines"] if lines > MODULE_LINES else []
    for node in ast.walk(ast.parse(source, module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            found += [f"{module}.{node.name}:{node.lineno}: {length} lines"] if length > FUNCTION_LINES else []
    return found
