from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.process import environment

pytestmark = pytest.mark.real_time
HEAVY = ("aiohttp", "anyio", "asyncio", "docker", "rich", "structlog", "trio", "greenroom.engine", "greenroom.kernel")


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=50, env=environment())


def loaded(*arguments: str) -> str:
    """What of the heavy libraries a command loads."""
    probe = f"""
import sys
sys.argv = ["greenroom", *{arguments!r}]
from greenroom.cli import main
try:
    main()
finally:
    print("loaded:", *(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)
"""
    done = run(probe)
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("loaded:")[2].strip()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["ps"], ["ps", "--json"], ["tree"], ["inspect", "/"], ["events"]],
)
def test_light_commands_load_no_engine(place: object, arguments: list[str]) -> None:
    """Help and the commands that ask a running engine load neither an event loop nor the engine's libraries."""
    assert loaded(*arguments) == ""


def test_the_probe_sees_what_is_loaded(place: object) -> None:
    """A command that needs the engine's libraries is seen to load them."""
    assert "structlog" in loaded("run", "tasks.toml", "--model", "x")


@pytest.mark.parametrize(
    "start",
    [
        "from greenroom.cli import main; sys.exit(main())",
        "import runpy; runpy.run_module('greenroom', run_name='__main__')",
    ],
)
def test_without_click_the_command_line_says_what_to_install(start: str) -> None:
    """One line with the remedy, and exit status 2."""
    done = run(f"import sys; sys.modules['click'] = None; {start}")
    assert done.returncode == 2
    assert done.stderr == "greenroom: the command line needs click: pip install 'click>=8.2' 'rich>=14.0'\n"
