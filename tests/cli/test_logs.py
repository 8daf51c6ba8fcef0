from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment

pytestmark = pytest.mark.real_time

PROGRAM = """
import logging, pathlib, structlog
from greenroom.cli.logs import log_to
log_to(pathlib.Path("x.log"), terminal={terminal})
structlog.get_logger("a").warning("lost", text="\\x1b[2J\\nforged", sandbox="s-1")
logging.getLogger("b").warning("%s", "\\x1b[31mred")
logging.getLogger("b").info("for the file")
"""


def said(*, terminal: bool) -> tuple[str, str]:
    """Standard output and error of a program that logs."""
    command = [sys.executable, "-c", PROGRAM.format(terminal=terminal)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=50, env=environment())
    return done.stdout, done.stderr


def test_the_file_gets_every_line(place: Path) -> None:
    """Each record is one line, with nothing in it that a terminal would obey."""
    assert said(terminal=False) == ("", "")
    lines = (place / "x.log").read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["WARNING", "WARNING", "INFO"]
    assert all(line.isprintable() for line in lines)


def test_the_terminal_gets_warnings(place: Path) -> None:
    """Standard error has what a person should see, standard output nothing."""
    out, err = said(terminal=True)
    assert out == ""
    assert len(err.splitlines()) == 2
    assert all(line.isprintable() for line in err.splitlines())
