"""The plugin that treats skips as holes, run in sessions of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SKIPPING = """
import pytest

def test_runs(): pass

@pytest.mark.skip(reason="no engine here")
def test_is_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_fails_as_expected(): assert False
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with one test that passes, one that is skipped and one that fails as expected."""
    pytester.makepyfile(SKIPPING)
    return pytester


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run the project's tests with the plugin and nothing else of ours."""
    return project.runpytest_inprocess("-p", "tests.plugins.skips", "-p", "no:cacheprovider", *args)


def test_a_skip_fails_the_session_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI set, one skip makes the exit status 1 and is named with its reason."""
    monkeypatch.setenv("CI", "true")
    result = run(project)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["1 skipped, 1 for a reason that is not allowed", "hole: *test_is_skipped: no engine here"]
    )


def test_a_skip_is_counted_outside_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI, the session passes and the count is printed."""
    monkeypatch.delenv("CI", raising=False)
    result = run(project)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["1 skipped, 1 for a reason that is not allowed"])


def test_an_allowed_reason_is_no_hole(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI set, a skip whose whole reason is allowed leaves the session green; a part of it is not enough."""
    monkeypatch.setenv("CI", "true")
    assert run(project, "-o", "allowed_skips=no engine .*").ret == pytest.ExitCode.OK
    assert run(project, "-o", "allowed_skips=no engine").ret == pytest.ExitCode.TESTS_FAILED


def test_a_skipped_module_is_a_hole(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI set, a module that skips itself as a whole fails the session."""
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(
        test_whole="import pytest\npytest.importorskip('no_such_library')", test_other="def test_runs(): pass"
    )
    result = run(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["hole: test_whole.py: could not import 'no_such_library'*"])


def test_a_session_without_skips_is_green_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI set, a session without a skip passes, and says so."""
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("def test_runs(): pass")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["0 skipped, 0 for a reason that is not allowed"])
