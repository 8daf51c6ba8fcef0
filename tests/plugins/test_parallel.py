"""Tests that several processes share."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.real_time, pytest.mark.long]

SUITE = """
import json, os, time
import pytest

@pytest.fixture(autouse=True)
def noted(request):
    began = time.monotonic_ns()
    yield
    line = json.dumps([request.node.name, os.getpid(), began, time.monotonic_ns()])
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(line + "\\n")

@pytest.mark.real_time
@pytest.mark.parametrize("n", range(5))
def test_alone(n): sum(range(200_000))

@pytest.mark.parametrize("n", range(150))
def test_shared(n): sum(range(20_000))

@pytest.mark.long
def test_left_out(): pass
"""
ARGS = [
    word
    for name in ("tests.plugins.tiers", "tests.plugins.parallel", "tests.plugins.skips", "no:cacheprovider")
    for word in ("-p", name)
]


@pytest.fixture
def notes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose tests note here where and when they ran."""
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeini("[pytest]\nmarkers =\n    real_time: touches the world")
    path = pytester.path / "notes"
    monkeypatch.setenv("NOTES", str(path))
    monkeypatch.delenv("CI", raising=False)
    return path


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_what_touches_the_world_runs_alone(pytester: pytest.Pytester, notes: Path, workers: str) -> None:
    """Every test runs once; those marked real_time run in one process, after all others have ended."""
    result = pytester.runpytest_inprocess(*ARGS, "-n", workers)
    result.assert_outcomes(passed=155)
    ran = [msgspec.json.decode(line, type=tuple[str, int, int, int]) for line in notes.read_bytes().splitlines()]
    alone = [one for one in ran if one[0].startswith("test_alone")]
    shared = [one for one in ran if one[0].startswith("test_shared")]
    assert (len({one[0] for one in alone}), len({one[0] for one in shared}), len(ran)) == (5, 150, 155)
    assert len({process for _, process, _, _ in alone}) == 1
    assert len({process for _, process, _, _ in shared}) == int(workers)
    assert min(began for _, _, began, _ in alone) > max(ended for _, _, _, ended in shared)


def test_what_was_left_out_is_said(pytester: pytest.Pytester, notes: Path) -> None:
    """The counts of the tiers, and what was left out, are those of a run in one process."""
    said = pytester.runpytest_inprocess(*ARGS, "-n", "2").stdout
    said.fnmatch_lines(["fast * 155 passed of 155, *", "left out: 1 of long*--tier long"])


def test_a_test_that_ends_its_process_fails_and_the_others_run(pytester: pytest.Pytester, notes: Path) -> None:
    """A process that dies costs the test that it was running, in either phase."""
    dying = (
        "import os, pytest\ndef test_dies(): os._exit(3)\n@pytest.mark.real_time\ndef test_dies_alone(): os._exit(3)"
    )
    pytester.makepyfile(test_zz_dying=dying)
    result = pytester.runpytest_inprocess(*ARGS, "-n", "2")
    result.assert_outcomes(passed=155, failed=2)


def test_a_skip_in_another_process_is_a_hole(
    pytester: pytest.Pytester, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With CI set, a skip fails a shared run as it fails any other."""
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(test_hole="import pytest\n@pytest.mark.skip(reason='no luck')\ndef test_hole(): pass")
    result = pytester.runpytest_inprocess(*ARGS, "-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["hole: *test_hole: no luck"])
