"""What the whole repository's tests share: the documentation is run, and every run says what it covers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_plugins = [
    "tests.plugins.tiers",
    "tests.plugins.parallel",
    "tests.plugins.progress",
    "tests.plugins.bounds",
    "tests.plugins.skips",
    "tests.plugins.docker",
]


@pytest.fixture
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples that write files write them here."""
    monkeypatch.chdir(tmp_path)


def pytest_itemcollected(item: pytest.Item) -> None:
    """An example of the documentation says what it needs in a comment above it: ``<!-- needs: bwrap -->``."""
    if isinstance(item, SybilItem):
        text = item.example.document.text[: item.example.region.start]
        if told := re.search(r"<!-- needs: ([\w ]+) -->\n+$", text):
            item.add_marker(pytest.mark.needs(*told[1].split()))


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["README.md", "docs/*.md"],
    fixtures=["in_empty_directory"],
).pytest()
