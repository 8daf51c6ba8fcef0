"""Pip's lock: a file of requirements that pins everything by hash, and what of it is no wheel."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from greenroom.sandboxes.lock_file import lock_error, read_lock
from greenroom.specs import PythonRecipe

_PIN = re.compile(r"\s*([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*==\s*([^\s;\\]+)")
_LINE = re.compile(r"(?:\\\n|[^\n])*\n?")


class PythonLock(Struct, frozen=True, kw_only=True):
    """Files of requirements for pip."""

    wheels: str
    sources: str
    """What has to be built. Empty, mostly."""


class Pin(Struct, frozen=True):
    """One package at its version."""

    name: str
    """As indexes normalise it."""
    version: str
    text: str


def python_lock(recipe: PythonRecipe) -> PythonLock:
    """The lock of a recipe. Raises `InstallError` if it does not hold one of its packages at its version."""
    text = read_lock(recipe)
    held = {f"{pin.name}=={pin.version}" for pin in pins(text)}
    for package in recipe.packages:
        if (pin := next(pins(package), None)) is not None and f"{pin.name}=={pin.version}" not in held:
            raise lock_error(recipe, f"does not hold {package}")
    built = {normalised(name) for name in recipe.sources}
    sources = "".join(pin.text for pin in pins(text) if pin.name in built)
    wheels = "".join(line for line in _LINE.findall(text) if not any(pin.name in built for pin in pins(line)))
    return PythonLock(wheels=wheels, sources=sources)


def pins(text: str) -> Iterator[Pin]:
    """Every requirement of a file of requirements that is at an exact version."""
    for line in _LINE.findall(text):
        if found := _PIN.match(line):
            yield Pin(normalised(found[1]), found[2], line)


def normalised(name: str) -> str:
    """The name as indexes know it, however it is spelled."""
    return re.sub(r"[-_.]+", "-", name).lower()
