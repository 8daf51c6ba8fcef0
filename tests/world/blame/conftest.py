"""Whatever fails while an agent works, its outcome is what the page says, and never a valid reward by mistake.

`ways/` is a table of cases: what fails, when, how, and which row of `docs/outcomes.md` it is. Each is played on
simulated sandboxes, in local ones and in containers, at a random moment, in the first attempt alone and in every one.
`GREENROOM_SEED` tries other moments.
"""

from __future__ import annotations

from collections import Counter

import pytest

_HERE = "tests/world/blame/"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases were played, and where."""
    played = Counter[str]()
    for report in terminalreporter.stats.get("passed", []):
        if isinstance(report, pytest.TestReport) and "::test_blame" in report.nodeid:
            played[report.nodeid.removeprefix(f"{_HERE}test_").partition(".py")[0]] += 1
    if played:
        where = ", ".join(f"{count} {name}" for name, count in sorted(played.items()))
        terminalreporter.write_line(f"blame: {played.total()} cases played and judged ({where})")
