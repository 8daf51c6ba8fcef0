"""A skip is a hole: with ``CI`` set, a test skipped for a reason nobody has allowed fails the session.

The allowed reasons are the setting ``allowed_skips``: regular expressions that match a whole reason.
"""

from __future__ import annotations

import os
import re

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini("allowed_skips", "reasons a test may be skipped for in CI: regular expressions", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Watch this session."""
    allowed = [re.compile(pattern) for pattern in config.getini("allowed_skips")]
    config.pluginmanager.register(_Skips(allowed, strict=bool(os.environ.get("CI"))))


class _Skips:
    """Counts the skips of one session."""

    def __init__(self, allowed: list[re.Pattern[str]], *, strict: bool) -> None:
        self.allowed = allowed
        self.strict = strict
        self.count = 0
        self.holes: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was skipped; one that was expected to fail ran, and is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that was skipped as a whole."""
        if report.skipped:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.count += 1
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(pattern.fullmatch(reason) for pattern in self.allowed):
            self.holes.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session that has holes."""
        if self.strict and self.holes and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the count, and in CI every hole."""
        if not self.count and not self.strict:
            return
        terminalreporter.section("skips")
        terminalreporter.line(f"{self.count} skipped, {len(self.holes)} for a reason that is not allowed")
        if self.strict:
            for hole in self.holes:
                terminalreporter.line(f"hole: {hole}", red=True)
