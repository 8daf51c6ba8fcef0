"""How far a run has come: one line that is rewritten in a terminal, and a line every few per cent elsewhere.

It takes the place of pytest's dots, at the usual verbosity. With ``-v``, ``-q`` or ``-s``, pytest shows what it shows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Final

import pytest

from tests.plugins.tiers import PLAN, tier_in

STEP: Final = 5
"""Per cent between two lines where lines stay."""


@pytest.hookimpl(trylast=True)  # after the terminal reporter was made
def pytest_configure(config: pytest.Config) -> None:
    """Watch this session, unless it shows nothing, or shows something else."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and not config.option.verbose and config.option.capture != "no":
        config.pluginmanager.register(Progress(config, reporter, rewrites=_is_terminal(reporter)), "progress")


def _is_terminal(reporter: pytest.TerminalReporter) -> bool:
    return bool(reporter.isatty) and os.environ.get("TERM", "dumb") != "dumb"


class Progress:
    """Shows how many tests have run, of which tier the last was, how many failed, and the time since the start."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter, *, rewrites: bool) -> None:
        self.config = config
        self.reporter = reporter
        self.rewrites = rewrites
        self.began = time.monotonic()
        self.run = 0
        self.failed = 0
        self.shown = 0
        self.line = ""
        self.over = False
        reporter._showfspath = False
        reporter._show_progress_info = False

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, tuple[str, ...] | None, tuple[str, ...] | None]:
        """Take the dots away; the summary at the end keeps its words."""
        status = yield
        return (status[0], "", "") if status and not self.over else status

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test when it has ended, and name one that failed at once."""
        if report.failed:
            self.failed += 1
            self._say(f"FAILED {report.nodeid}" + ("" if report.when == "call" else f" ({report.when})"))
        if report.when == "teardown":
            self.run += 1
            self._show(tier_in(report))

    def pytest_sessionfinish(self) -> None:
        """End the line that was rewritten."""
        self.over = True
        if self.line:
            self.reporter.write_line("")

    def _show(self, tier: str) -> None:
        total = max(self.config.stash[PLAN].total, self.run)
        percent = 100 * self.run // total
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        line = f"{percent:>3} %  {self.run:,} of {total:,}  {tier}  {self.failed} failed  {minutes}:{seconds:02}"
        if self.rewrites:
            self.reporter.rewrite(line, erase=True)
            self.line = line
        elif percent >= self.shown + STEP or self.run == total:
            self.shown = percent
            self.reporter.write_line(line)
        self.reporter.flush()

    def _say(self, text: str) -> None:
        if self.line:
            self.reporter.rewrite(text, erase=True)
            self.line = ""
            self.reporter.write_line("")
        else:
            self.reporter.write_line(text)
