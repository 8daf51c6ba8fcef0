"""The oldest libraries that pyproject.toml allows are enough."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging import pythons
from tests.packaging.conftest import Built
from tests.packaging.environment import TOOLS, Environment, succeed
from tests.packaging.pythons import PROJECT
from tests.packaging.test_install import VERSION, quick_start

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.timeout(600)]
AS_OF = "2026-11-29"
"""What was released later has no part in this test; whoever raises a bound raises the day."""

BOUNDED = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]


def as_old_as_may_be(place: Environment, built: Built, tree: Path) -> None:
    """Install the wheel with the lowest version of every library that pyproject.toml allows."""
    extras = [option for extra in PROJECT["optional-dependencies"] for option in ("--extra", extra)]
    lowest = ("--resolution", "lowest-direct", "--exclude-newer", AS_OF, "--only-binary", ":all:")
    place.install(*lowest, "-r", str(tree / "pyproject.toml"), *extras, online=True)
    place.install("--no-deps", str(built.wheel))
    frozen = succeed(TOOLS / "uv", "pip", "freeze", "--python", place.python, cwd=place.path).lower().splitlines()
    lowered = [requirement.lower().replace(">=", "==") for requirement in BOUNDED]
    assert all(any(_same(have, bound) for have in frozen) for bound in lowered)


@pytest.mark.parametrize("minor", [pythons.MINORS[0], pythons.MINORS[-1]])
def test_the_lowest_versions_are_enough(
    make_environment: Callable[[str], Environment], built: Built, tree: Path, minor: str
) -> None:
    """README's program and the command line work with libraries as old as may be, on the oldest and newest Python."""
    place = make_environment(minor)
    as_old_as_may_be(place, built, tree)
    (place.path / "quick_start.py").write_text(quick_start(tree))
    done = place.python_runs(place.path / "quick_start.py")
    assert (done.status, done.err) == (0, "")
    assert place.greenroom("--version").out == VERSION


def test_the_lowest_versions_read_what_is_hostile(
    make_environment: Callable[[str], Environment], built: Built, tree: Path, tmp_path: Path
) -> None:
    """With libraries as old as may be, the server passes its tests from the wheel: broken HTTP and JSON, silence."""
    place = make_environment(pythons.MINORS[0])
    as_old_as_may_be(place, built, tree)
    place.install(
        "-c", str(tree / "constraints-test.txt"), "pytest", "pytest-timeout", "hypothesis", "sybil", online=True
    )
    clone = shutil.copytree(tree, tmp_path / "clone", ignore=shutil.ignore_patterns("src"))
    dialects = ("chat", "anthropic", "google", "responses")
    files = ["test_server.py", *(f"test_{dialect}_request.py" for dialect in dialects)]
    paths = [clone / "tests/interception" / name for name in files]
    succeed(place.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, cwd=clone)


def _same(have: str, bound: str) -> bool:
    """A bound of 3.12 is the version 3.12.0 too, and whatever of it was released first."""
    return have == bound or have.startswith(f"{bound}.")
