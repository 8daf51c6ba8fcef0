"""What Python code imports, wherever it does, by statement or by name."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from typing import Any

_OWN = sys.stdlib_module_names | {"greenroom", "_typeshed"}
"""``_typeshed`` is the type checkers' own, and never there at run time."""


def imported(source: str) -> set[str]:
    """Return the top-level modules that are imported from elsewhere: neither ours nor Python's own."""
    return {name for name in _names(ast.parse(source)) if name not in _OWN}


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield name.partition(".")[0]
            case _:
                pass


def libraries(requirements: list[str]) -> Iterator[str]:
    """Yield the modules that these requirements bring."""
    wanted = {_normal(requirement) for requirement in requirements}
    for module, distributions in packages_distributions().items():
        if wanted & set(map(_normal, distributions)):
            yield module


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def contract_modules(contracts: list[dict[str, Any]]) -> Iterator[str]:
    """Yield every module that import contracts name, without wildcards."""
    for contract in contracts:
        lists = ("modules", "source_modules", "forbidden_modules", "protected_modules", "allowed_importers")
        for module in [module for key in lists for module in contract.get(key, ())]:
            yield module.partition(".*")[0]
        for exception in contract.get("ignore_imports", ()):
            yield from (module.partition(".*")[0] for module in exception.split(" -> "))
