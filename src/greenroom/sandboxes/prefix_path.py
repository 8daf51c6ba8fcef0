"""Where installed agents live: a directory for each recipe, named after its content."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from pathlib import Path

import msgspec

from greenroom.sandboxes.lock_file import read_lock
from greenroom.specs import PythonRecipe, Recipe

_LAYOUT = "1"
"""Counted up whenever the same recipe is laid out differently."""


def prefix_root() -> Path:
    """``$GREENROOM_CACHE/prefixes``, else ``greenroom/prefixes`` in the XDG cache directory."""
    if cache := os.environ.get("GREENROOM_CACHE"):
        return Path(cache).absolute() / "prefixes"
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "greenroom" / "prefixes"


def prefix_path(recipe: Recipe, *, root: Path | None = None) -> Path:
    """Where ``recipe`` is or would be installed: its first package's name and a hash of all that matters.

    What the lock says matters, where it lies does not. Raises `InstallError` if it cannot be read.
    """
    asked = msgspec.json.encode(msgspec.structs.replace(recipe, lock=None)).decode()
    parts = [_LAYOUT, platform.system(), platform.machine(), asked, read_lock(recipe)]
    if isinstance(recipe, PythonRecipe):
        parts += [sys.base_prefix, platform.python_version()]  # its environment links to this interpreter
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    name = re.sub(r"^@[^/]*/", "", recipe.packages[0])
    return (root or prefix_root()).absolute() / f"{re.split(r'[^A-Za-z0-9._-]', name)[0]}-{digest}"
