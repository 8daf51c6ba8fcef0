"""greenroom, installed from its wheel in every way that a user would, works."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import greenroom
from tests.packaging import pythons
from tests.packaging.conftest import Built
from tests.packaging.environment import TOOLS, Environment, succeed

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.timeout(600)]
VERSION = f"greenroom, version {greenroom.__version__}\n"
MISSING = "greenroom: the command line needs click: pip install 'click>=8.2' 'rich>=14.0'\n"


def quick_start(tree: Path) -> str:
    """The first program in README.md, as it stands."""
    return (tree / "README.md").read_text().partition("```python\n")[2].partition("```\n")[0]


def works(program: Path, tree: Path, place: Path) -> None:
    """The command says its version, helps, and brings a rollout of the demo to its reward."""
    assert succeed(program, "--version", cwd=place) == VERSION
    assert "doctor" in succeed(program, "--help", cwd=place)
    tasks = (tree / "examples/demo/tasks", "--task", "fix-median")
    said = succeed(
        *(program, "run", *tasks, "--model", tree / "examples/demo/model.toml"),
        *("--out", place / "run", "--json"),
        cwd=place,
    )
    assert '"status":"completed"' in said


@pytest.mark.parametrize("minor", pythons.MINORS)
def test_the_quick_start_runs_from_the_wheel(
    make_environment: Callable[[str], Environment], built: Built, tree: Path, minor: str
) -> None:
    """On each Python the wheel alone runs README's program, and with the extra `cli` the command line."""
    place = make_environment(minor)
    place.install(str(built.wheel))
    (place.path / "quick_start.py").write_text(quick_start(tree))
    done = place.python_runs(place.path / "quick_start.py")
    assert (done.status, done.err) == (0, "")

    without = place.greenroom("--version")
    assert (without.status, without.out, without.err) == (2, "", MISSING)

    place.install(f"{built.wheel}[cli]")
    assert place.greenroom("--version").out == VERSION
    assert "doctor" in place.greenroom("--help").out
    versions = place.python_runs("import greenroom, importlib.metadata as m; print(m.version('greenroom'))")
    assert versions.out.strip() == greenroom.__version__


def installing(tree: Path) -> list[str]:
    """The commands that docs/cli.md gives to install greenroom, in their order."""
    section = (tree / "docs/cli.md").read_text().partition("## Installing\n")[2].partition("\n## ")[0]
    return re.findall(r"(?:^\$ |`)((?:pip|pipx|uv tool) [^`\n]+)", section, re.MULTILINE)


def test_the_documented_commands_install_it(tree: Path, tmp_path: Path, offline: dict[str, str]) -> None:
    """Each command that docs/cli.md gives, typed in a clone, gives a `greenroom` that works: pip, pipx, uv, a wheel."""
    clone = shutil.copytree(tree, tmp_path / "clone")
    python = pythons.find("3.11") or sys.executable
    succeed(python, "-m", "venv", tmp_path / "pip", cwd=tmp_path)
    homes = {
        "PATH": f"{tmp_path / 'pip/bin'}:{TOOLS}:/usr/bin:/bin",
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "pipx/bin"),
        "PIPX_MAN_DIR": str(tmp_path / "pipx/man"),
        "PIPX_DEFAULT_BACKEND": "pip",
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "uv/bin"),
    }
    commands = installing(tree)
    assert len(commands) == 5
    for command in commands:
        program, *words = shlex.split(command)
        path = tmp_path / "pip/bin" if program == "pip" else TOOLS
        more = ["--skip-maintenance"] if program == "pipx" else []  # or it would fetch the newest pip
        succeed(path / program, *words, *more, cwd=clone, more=offline | homes)
    for kind in ("pip", "pipx", "uv"):
        works(tmp_path / kind / "bin/greenroom", tree, tmp_path / kind)
    succeed(tmp_path / "pip/bin/python", "-m", "pip", "check", cwd=tmp_path)
