"""What pyproject.toml asks for is what the code imports, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.house.imports import contract_modules, imported, libraries

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIRED: list[str] = PROJECT["project"]["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
IMPORTED = {path: imported(path.read_text()) for path in (ROOT / "src").rglob("*.py")}
EVERYTHING = set[str]().union(*IMPORTED.values())


@pytest.mark.parametrize("requirement", REQUIRED)
def test_every_dependency_is_imported(requirement: str) -> None:
    """Nobody installs a library that greenroom does not use."""
    assert EVERYTHING & set(libraries([requirement]))


@pytest.mark.parametrize(("extra", "requirement"), [(extra, one) for extra, many in EXTRAS.items() for one in many])
def test_every_extra_is_imported(extra: str, requirement: str) -> None:
    """An extra brings something that greenroom uses; what is planned is no extra."""
    assert EVERYTHING & set(libraries([requirement])), extra


def test_whatever_is_imported_is_asked_for() -> None:
    """No library comes only by way of another one."""
    declared = set(libraries([*REQUIRED, *chain.from_iterable(EXTRAS.values())]))
    assert {str(path): names for path, found in IMPORTED.items() if (names := found - declared)} == {}


@pytest.mark.real_time
def test_extras_are_imported_where_they_are_used() -> None:
    """Every room can be imported, and every public name used, without any extra."""
    missing = sorted(set(libraries(list(chain.from_iterable(EXTRAS.values())))))
    rooms = [f"greenroom.{path.parent.name}" for path in (ROOT / "src/greenroom").glob("[a-z]*/__init__.py")]
    program = f"""
import sys
for name in {missing!r}:
    sys.modules[name] = None
from importlib import import_module
for name in ["greenroom", "greenroom.engine.tasks", *{rooms!r}]:
    room = import_module(name)
    for public in getattr(room, "__all__", ()):
        getattr(room, public)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=50)
    assert done.stderr == ""
    assert missing


def test_import_contracts_name_what_is_there() -> None:
    """Every module of ours in a contract can be imported, and every library in one is a dependency or Python's own."""
    declared = set(libraries([*REQUIRED, *chain.from_iterable(EXTRAS.values())]))
    for module in contract_modules(PROJECT["tool"]["importlinter"]["contracts"]):
        if module.partition(".")[0] == "greenroom":
            import_module(module)
        else:
            assert module in declared | sys.stdlib_module_names, module


# ------------------------------------------------------------------------------------- the tests' own eyes are open


@pytest.mark.parametrize(
    "code",
    [
        "import ray",
        "import ray.data as data",
        "def f():\n from ray.data import x",
        "if TYPE_CHECKING:\n import ray",
        "ray = import_module('ray.data')",
    ],
)
def test_an_import_is_seen(code: str) -> None:
    """Imports are seen in every form."""
    assert imported(code) == {"ray"}


@pytest.mark.parametrize("code", ["import os.path", "from greenroom.kernel import on", "from . import x", "'ray'"])
def test_what_is_no_library_is_not_seen(code: str) -> None:
    """Python's own modules, ours, and mere words do not count."""
    assert imported(code) == set()


def test_a_requirement_is_known_by_its_modules() -> None:
    """Extras, ranges and markers do not hide which modules a requirement brings."""
    assert set(libraries(["PyYAML >= 6 ; python_version > '3'"])) >= {"yaml"}
    assert set(libraries(["opentelemetry-sdk[x]>=1"])) == set()
