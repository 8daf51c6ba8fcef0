"""The plugin that puts every test into one tier, run in sessions of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest

def test_quick(): pass

@pytest.mark.long
def test_patient(): pass

@pytest.mark.long
@pytest.mark.needs("erl")
def test_otp(): pass

@pytest.mark.agents
def test_agent(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with tests of three tiers, on a machine that has no programs, at somebody's desk."""
    pytester.makepyfile(SUITE)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    return pytester


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run the project's tests with the plugin, and the one that counts skips."""
    plugins = ("tests.plugins.tiers", "tests.plugins.skips", "no:cacheprovider")
    return project.runpytest_inprocess(*(word for name in plugins for word in ("-p", name)), *args)


def test_a_run_takes_the_fast_tier_and_says_what_it_left_out(project: pytest.Pytester) -> None:
    """Without paths and options the fast tests run; the others are counted, with the way to get them."""
    result = run(project)
    result.assert_outcomes(passed=1, deselected=3)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "fast * 1 passed of 1, *",
            "left out: 1 of agents*--tier agents",
            "left out: 2 of long*--tier long",
            "`make test-all` runs every tier",
        ]
    )


def test_what_runs_on_trio_is_long(pytester: pytest.Pytester) -> None:
    """What runs on both backends is fast on asyncio alone."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
        def test_both(anyio_backend): pass

        def test_neither(): pass
    """)
    run(pytester).assert_outcomes(passed=2, deselected=1)
    run(pytester, "--tier", "long").assert_outcomes(passed=1, deselected=2)


def test_a_path_takes_whatever_it_holds(project: pytest.Pytester) -> None:
    """Whoever names a file gets all of its tests, of every tier, but those whose needs are not met."""
    result = run(project, next(project.path.glob("test_*.py")).name)
    result.assert_outcomes(passed=3, deselected=1)
    result.stdout.fnmatch_lines(["left out: 1 of long, which need Erlang (apt-get install erlang-base)"])
    result.stdout.no_fnmatch_line("*--tier*")


@pytest.mark.parametrize(("named", "passed"), [("long", 1), ("agents,long", 2), ("all", 3), ("fast", 1)])
def test_tiers_are_chosen_by_name(project: pytest.Pytester, named: str, passed: int) -> None:
    """One tier, several, or all of them run when they are asked for."""
    run(project, "--tier", named).assert_outcomes(passed=passed, deselected=4 - passed)


def test_a_tier_that_there_is_not_is_refused(project: pytest.Pytester) -> None:
    """A misspelt tier is a usage error that names the tiers, not a run without tests."""
    result = run(project, "--tier", "fats")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no fats; the tiers are fast, containers, agents, long, or all"])


@pytest.mark.parametrize(
    ("mark", "parameter", "said"),
    [
        ("@pytest.mark.long\n@pytest.mark.agents", "", "is in the tiers agents and long, and a test is in one"),
        ("@pytest.mark.needs('docker')", "", "needs docker, which no test of the tier fast may: mark it containers*"),
        ("", "docker_url", "needs docker, which no test of the tier fast may: mark it containers*"),
        ("@pytest.mark.containers\n@pytest.mark.needs('erl')", "", "needs erl, which no test of the tier containers*"),
        ("@pytest.mark.needs('luck')", "", "needs luck, which tests/plugins/needs.py does not have"),
    ],
)
def test_a_test_in_the_wrong_tier_stops_the_run(project: pytest.Pytester, mark: str, parameter: str, said: str) -> None:
    """A second tier, a need that the tier does not allow, also one by fixture, and an unknown need are errors."""
    project.makeconftest("import pytest\n@pytest.fixture\ndef docker_url(): pass")
    project.makepyfile(test_wrong=f"import pytest\n{mark}\ndef test_it({parameter}): pass")
    result = run(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*test_wrong.py::test_it: {said}"])


def test_an_unmet_need_is_a_hole_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI set, a test whose need is not met is skipped instead of left out, and the run fails."""
    monkeypatch.setenv("CI", "true")
    result = run(project, "--tier", "all")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["hole: *test_otp: needs Erlang"])


@pytest.mark.parametrize(
    ("least", "ci", "args", "status"),
    [
        (3, "true", ("--tier", "all"), pytest.ExitCode.OK),
        (4, "true", ("--tier", "all"), pytest.ExitCode.TESTS_FAILED),
        (4, "", ("--tier", "all"), pytest.ExitCode.OK),
        (4, "true", (), pytest.ExitCode.OK),
        (4, "true", ("--tier", "all", "-k", "quick"), pytest.ExitCode.OK),
    ],
)
def test_a_complete_run_in_ci_may_not_lose_tests(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, least: int, ci: str, args: tuple[str, ...], status: int
) -> None:
    """Fewer tests than `minimum_tests` fail a run of all tiers in CI; other runs are not held to it."""
    monkeypatch.setenv("CI", ci)
    result = run(project, "-o", f"minimum_tests={least}", "-o", "allowed_skips=needs Erlang", *args)
    assert result.ret == status
    assert ("1 fewer than minimum_tests" in str(result.stdout)) == (status != pytest.ExitCode.OK)
