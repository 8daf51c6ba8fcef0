from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("broken.py")


@pytest.fixture(scope="module")
def report() -> str:
    """What pytest says about a suite that is broken on purpose."""
    command = [sys.executable, "-m", "pytest", "-rA", "--tb=short", str(SUITE)]
    done = subprocess.run(command, cwd=SUITE.parents[2], stdout=subprocess.PIPE, text=True, timeout=50, check=False)
    return done.stdout


def verdicts(report: str, test: str) -> set[str]:
    """The verdicts on one test: PASSED, FAILED, ERROR."""
    return {line.split()[0] for line in report.splitlines() if f"broken.py::{test}" in line}


@pytest.mark.real_time
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("test", ["test_virtual", "test_real", "test_tasks_of_a_fixture"])
def test_async_tests_run_on_both_backends(report: str, backend: str, test: str) -> None:
    """Time is virtual unless a test is marked; tasks that a fixture ends are no leak."""
    assert verdicts(report, f"{test}[{backend}]") == {"PASSED"}


@pytest.mark.real_time
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_test_that_waits_for_ever_fails(report: str, backend: str) -> None:
    """A deadlock fails its test, and says where the test waits."""
    assert verdicts(report, f"test_deadlock[{backend}]") == {"FAILED"}
    assert "in test_deadlock\nE       await anyio.Event().wait()" in report


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("test", "leak"), [("test_task[asyncio]", "- task 'left behind'"), ("test_descriptor", "-> pipe:")]
)
def test_what_a_test_leaves_behind_is_an_error(report: str, test: str, leak: str) -> None:
    """What outlives a test is an error of that test, which names it."""
    assert "ERROR" in verdicts(report, test)
    assert leak in report


@pytest.mark.real_time
def test_an_unclosed_resource_is_an_error(report: str) -> None:
    """What is left to the garbage collector fails the test, although nothing of it remains."""
    assert verdicts(report, "test_unclosed") == {"FAILED"}
    assert "unclosed <socket.socket" in report


@pytest.mark.real_time
def test_logs_are_shown_for_failures(report: str) -> None:
    """The lines of structlog go where pytest shows them when a test fails."""
    shown = report.partition("= PASSES =")[0]
    assert "a line that explains" in shown
    assert "a line nobody needs" not in shown
