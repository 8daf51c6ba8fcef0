"""Silence while it is simulated, and the summary's line about how much was."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.simulation.budget import TALLY


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Every crash is logged, and here thousands are wanted."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much it was."""
    if TALLY.schedules:
        terminalreporter.write_line(f"simulation: {TALLY}")
