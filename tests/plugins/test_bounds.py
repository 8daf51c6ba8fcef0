"""The plugin that keeps fast tests on this machine, run in sessions of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.real_time, pytest.mark.long]

REACHES = "import socket\ndef test_it():\n    with socket.socket() as s: s.connect_ex(('192.0.2.1', 9))"
ASKS = "import socket\ndef test_it(): socket.getaddrinfo('example.com', 443)"
SWALLOWS = """
import contextlib, socket
def test_it():
    with contextlib.suppress(OSError): socket.getaddrinfo('example.com', 443)
"""
STARTS = "import subprocess\ndef test_it(): subprocess.run(['node', '--version'])"
STAYS = """
import socket, subprocess
def test_it():
    socket.getaddrinfo('localhost', 80)
    with socket.socket() as s: s.connect_ex(('127.0.0.1', 9))
    subprocess.run(['true'])
"""


@pytest.fixture(autouse=True)
def node(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has node."""
    path = pytester.mkdir("bin") / "node"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    return path


def run(pytester: pytest.Pytester, test: str) -> pytest.RunResult:
    """Run one test with the plugin, in a process of its own: what watches stays in a process for good."""
    pytester.makepyfile(test)
    plugins = ("tests.plugins.tiers", "tests.plugins.bounds", "no:cacheprovider", "no:xdist", "no:anyio")
    return pytester.runpytest_subprocess(*(word for name in plugins for word in ("-p", name)))


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (REACHES, "connected to 192.0.2.1"),
        (ASKS, "looked up example.com"),
        (SWALLOWS, "looked up example.com"),
        (STARTS, "started node"),
    ],
    ids=["reaches", "asks", "swallows", "starts"],
)
def test_a_fast_test_that_leaves_the_machine_fails(pytester: pytest.Pytester, test: str, said: str) -> None:
    """Another host, its name, or a program of another tier fail a fast test, also one that minds no errors."""
    result = run(pytester, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*a fast test {said}*"])


def test_other_tiers_may(pytester: pytest.Pytester) -> None:
    """A test of another tier starts what it likes."""
    marked = STARTS.replace("def", "import pytest\n@pytest.mark.agents\ndef")
    pytester.makepyfile(marked)
    run(pytester, marked).assert_outcomes(deselected=1)
    plugins = ("-p", "tests.plugins.tiers", "-p", "tests.plugins.bounds")
    pytester.runpytest_subprocess(*plugins, "--tier", "agents").assert_outcomes(passed=1)


def test_this_machine_is_within_bounds(pytester: pytest.Pytester) -> None:
    """Loopback, and programs that every machine has, are a fast test's to use."""
    run(pytester, STAYS).assert_outcomes(passed=1)
