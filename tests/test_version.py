"""The version is written in one place, and everything that tells it tells the same."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

import greenroom
from greenroom.cli.app import app

ROOT = Path(__file__).resolve().parent.parent


def test_the_command_line_tells_the_version() -> None:
    """`greenroom --version` and `greenroom.__version__` are the same."""
    assert CliRunner().invoke(app, ["--version"]).output == f"greenroom, version {greenroom.__version__}\n"


def test_the_metadata_has_the_version() -> None:
    """What is installed says the same version as the code."""
    assert metadata.version("greenroom") == greenroom.__version__


def test_the_version_is_written_once() -> None:
    """`src/greenroom/__init__.py` has it, and the build reads it there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/greenroom/__init__.py"
    written = [path.name for path in (ROOT / "src").rglob("*.py") if f'"{greenroom.__version__}"' in path.read_text()]
    assert written == ["__init__.py"]


def test_the_changelog_has_the_version() -> None:
    """What is to be released, or was released last, is the version of the code."""
    log = (ROOT / "CHANGELOG.md").read_text()
    (newest, *_) = re.findall(r"^(?:To be released as |## \[)(\d[\w.]*\w)", log, re.MULTILINE)
    assert newest == greenroom.__version__


@pytest.mark.real_time
def test_the_version_costs_no_import() -> None:
    """Telling the version reads no metadata and loads no room."""
    loaded = "print(*({'importlib.metadata', 'msgspec', 'greenroom.specs'} & set(sys.modules)))"
    probe = f"import sys, greenroom; greenroom.__version__; {loaded}"
    done = subprocess.run([sys.executable, "-I", "-c", probe], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout == "\n"
