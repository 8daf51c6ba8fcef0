"""Programs as a user starts them, and environments to install into."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

SECONDS = 150
TOOLS = Path(sys.executable).parent
"""Where the developers' own tools are: uv, pipx, mypy, pyright."""
_OURS = ("PYTHONPATH", "VIRTUAL_ENV", "OPENAI_BASE_URL", "OPENAI_API_KEY", "GREENROOM_MODEL")


class Done(Struct, frozen=True):
    """How a program ended."""

    status: int
    out: str
    err: str


def run(*command: str | Path, cwd: Path, more: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end, without what the tests' own environment would give it."""
    environ = {name: value for name, value in os.environ.items() if name not in _OURS} | dict(more or {})
    done = subprocess.run(
        [*map(str, command)], check=False, capture_output=True, text=True, cwd=cwd, env=environ, timeout=SECONDS
    )
    return Done(done.returncode, done.stdout, done.stderr)


def succeed(*command: str | Path, cwd: Path, more: Mapping[str, str] | None = None) -> str:
    """Run a program that must succeed; its standard output."""
    done = run(*command, cwd=cwd, more=more)
    assert done.status == 0, f"{command}:\n{done.out}\n{done.err}"
    return done.out


class Environment(Struct, frozen=True):
    """A virtual environment, made by uv, for what the wheelhouse has."""

    path: Path
    offline: Mapping[str, str]
    """Has pip, pipx and uv take everything from the wheelhouse."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin/python"

    def install(self, *requirements: str, online: bool = False) -> None:
        """Install into it, and see that everything has what it needs."""
        uv = (TOOLS / "uv", "pip")
        more = None if online else self.offline
        succeed(*uv, "install", "--quiet", "--python", self.python, *requirements, cwd=self.path, more=more)
        succeed(*uv, "check", "--python", self.python, cwd=self.path)

    def greenroom(self, *arguments: str) -> Done:
        """Run the command that was installed."""
        return run(self.path / "bin/greenroom", *arguments, cwd=self.path)

    def python_runs(self, program: Path | str) -> Done:
        """Run a program, away from any source of greenroom."""
        arguments = ("-c", program) if isinstance(program, str) else (program,)
        return run(self.python, *arguments, cwd=self.path)


def make(path: Path, python: Path, offline: Mapping[str, str]) -> Environment:
    """An empty environment for this Python."""
    succeed(TOOLS / "uv", "venv", "--quiet", "--python", python, path, cwd=path.parent)
    return Environment(path, offline)
