"""Values of variables that stand for those of the engine's own environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{([^}:]+)(?::-(.*))?\}", re.DOTALL)


def reference(value: str) -> tuple[str, str | None] | None:
    """Name and default of ``${NAME}`` or ``${NAME:-default}``; ``None`` for a value that means itself."""
    found = _REFERENCE.fullmatch(value)
    return (found[1], found[2]) if found else None


def expand(variables: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables with their values.

    Raises:
        LookupError: One refers to a variable that is not set and has no default. The text names both, and no value.
    """
    return {name: _value(name, value, environ) for name, value in variables.items()}


def _value(name: str, value: str, environ: Mapping[str, str]) -> str:
    found = reference(value)
    if found is None:
        return value
    there = environ.get(found[0], found[1])
    if there is None:
        raise LookupError(f"{name} is to be taken from {found[0]}, which is not set")
    return there
