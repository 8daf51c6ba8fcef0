"""The line that says how far a run has come."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest

@pytest.mark.parametrize("n", range(40))
def test_one(n): assert n != 7
"""
ARGS = ("-p", "tests.plugins.tiers", "-p", "tests.plugins.progress", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Forty tests, one of which fails."""
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def test_lines_stay_where_there_is_no_terminal(project: pytest.Pytester) -> None:
    """Every few per cent a line says how many tests have run, of which tier, how many failed, and since when."""
    result = project.runpytest_inprocess(*ARGS)
    result.stdout.re_match_lines(
        [r" +5 %  2 of 40  fast  0 failed  0:\d\d", r"100 %  40 of 40  fast  1 failed  0:\d\d"]
    )
    said = str(result.stdout)
    assert 10 < said.count(" of 40  fast") <= 20
    assert "\x1b" not in said
    assert "\r" not in said


def test_a_failure_is_named_at_once(project: pytest.Pytester) -> None:
    """The test that failed is named when it fails, not at the end of the run."""
    lines = project.runpytest_inprocess(*ARGS, "-ra").outlines
    assert "FAILED test_suite.py::test_one[7] - assert 7 != 7" in lines
    assert lines.index("FAILED test_suite.py::test_one[7]") < next(
        n for n, line in enumerate(lines) if line[:4] == " 25 "
    )


@pytest.mark.parametrize("arg", ["-v", "-q", "-s"])
def test_who_asks_for_something_else_gets_that(project: pytest.Pytester, arg: str) -> None:
    """With -v, -q or -s pytest shows what it shows."""
    project.runpytest_inprocess(*ARGS, arg).stdout.no_re_match_line(r".*of 40  fast")


@pytest.fixture
def in_a_terminal(project: pytest.Pytester) -> Callable[[dict[str, str]], str]:
    """What a run of the project writes to a terminal."""

    def said(environment: dict[str, str]) -> str:
        ours, theirs = os.openpty()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
        argv = [sys.executable, "-m", "pytest", *ARGS]
        with subprocess.Popen(argv, cwd=project.path, env=env, stdin=subprocess.DEVNULL, stdout=theirs) as process:
            os.close(theirs)
            text = _all_of(ours)
            process.wait(timeout=30)
        return text

    return said


def _all_of(terminal: int) -> str:
    read = b""
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        try:
            while piece := stream.read(65536):
                read += piece
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
    return read.decode()


@pytest.mark.real_time
def test_a_terminal_has_one_line_that_is_rewritten(in_a_terminal: Callable[[dict[str, str]], str]) -> None:
    """In a terminal the line is rewritten by a return to its beginning; with NO_COLOR there are no escape codes."""
    said = in_a_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert said.count(" of 40  fast") == 40
    assert "\r100 %  40 of 40  fast  1 failed" in said
    assert "\x1b" not in said


@pytest.mark.real_time
def test_a_dumb_terminal_has_lines(in_a_terminal: Callable[[dict[str, str]], str]) -> None:
    """A terminal that can do nothing gets the lines that stay."""
    said = in_a_terminal({"TERM": "dumb"})
    assert said.count(" of 40  fast") <= 20
    assert "\x1b" not in said
