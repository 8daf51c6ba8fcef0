"""Which Pythons this machine has: on the PATH, and where pyenv and uv keep theirs."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MINORS = [
    minor
    for line in PROJECT["classifiers"]
    for minor in re.findall(r"^Programming Language :: Python :: (3\.\d+)$", line)
]
"""The versions that pyproject.toml says greenroom runs on."""


@cache
def find(minor: str) -> Path | None:
    """The Python of this version with the oldest patch level: whatever runs on it runs on those after it."""
    found = {path: said for path in _places(minor) if (said := version(path)).startswith(f"{minor}.")}
    return min(found, key=lambda path: int(found[path].split(".")[2]), default=None)


@cache
def version(python: Path) -> str:
    """The version of a Python; empty, if it does not start."""
    code = "import ensurepip, sys; print(sys.version.split()[0].rstrip('+'))"
    try:
        done = subprocess.run([python, "-I", "-c", code], check=False, capture_output=True, text=True, timeout=20)
    except OSError:
        return ""
    return done.stdout.strip()


def _places(minor: str) -> Iterator[Path]:
    name = f"python{minor}"
    for directory in os.get_exec_path():
        yield Path(directory, name)
    yield from sorted(Path.home().glob(f".pyenv/versions/{minor}.*/bin/{name}"))
    yield from sorted(Path.home().glob(f".local/share/uv/python/cpython-{minor}.*/bin/{name}"))


def summary() -> str:
    """Which were found, and which were not."""
    found = [version(python) for minor in MINORS if (python := find(minor))]
    newer = f"3.{int(MINORS[-1].partition('.')[2]) + 1}"
    missing = [minor for minor in [*MINORS, newer] if find(minor) is None]
    return f"Python {', '.join(found)}; not on this machine: {', '.join(missing) or 'none'}"
