"""The wheel, built once from a clean export, and the pinned libraries it is installed with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct

from tests.packaging import environment, pythons
from tests.packaging.environment import Environment, succeed
from tests.packaging.pythons import ROOT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say on which Pythons the wheel was tried."""
    terminalreporter.section("packaging")
    terminalreporter.line(pythons.summary())


class Built(Struct, frozen=True):
    """What a build makes."""

    wheel: Path
    sdist: Path
    wheel_of_tree: Path
    """Built from the tree itself; the other one is built from the sdist."""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean export: what git tracks or would track, and nothing that builds and tests leave behind."""
    export = tmp_path_factory.mktemp("export") / "greenroom"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (export / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, export / name)
    return export


@pytest.fixture(scope="session")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist, the wheel that comes of it, and the wheel that comes of the tree."""
    dist = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation")
    succeed(*build, "--outdir", dist, tree, cwd=dist)
    succeed(*build, "--wheel", "--outdir", dist / "tree", tree, cwd=dist)
    (wheel,), (sdist,), (other,) = dist.glob("*.whl"), dist.glob("*.tar.gz"), dist.glob("tree/*.whl")
    return Built(wheel, sdist, other)


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that have pip, pipx and uv take the pinned libraries, which were checked against their hashes.

    So nothing that is released tomorrow has a part in these tests.
    """
    wheels = tmp_path_factory.mktemp("wheels")
    exactly = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "constraints-run.txt")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--dest", wheels)
    for minor in pythons.MINORS:
        if pythons.find(minor):
            succeed(*pip, "--python-version", minor, *exactly, cwd=wheels)
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.fixture
def make_environment(tmp_path: Path, offline: dict[str, str]) -> Callable[[str], Environment]:
    """Makes an empty environment for a version of Python, if the machine has it."""

    def make(minor: str) -> Environment:
        python = pythons.find(minor)
        if python is None:
            pytest.skip(f"no Python {minor} on this machine")
        return environment.make(tmp_path / minor, python, offline)

    return make
