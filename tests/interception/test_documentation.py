"""The page about interception says what the server does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from greenroom.interception import Limits, dialects, errors
from greenroom.interception.dialects.value import MAX_DEPTH
from greenroom.interception.errors import Refusal
from greenroom.interception.session import table
from tests.interception.dialogue import NAMES, dialect_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "interception.md").read_text(encoding="utf-8")
REFUSALS = [refusal for refusal in vars(errors).values() if isinstance(refusal, Refusal)]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_limit_is_on_the_page() -> None:
    """The table of limits has each of them, with its value."""
    limits = Limits()
    expected = [(f"`{name}`", float(getattr(limits, name))) for name in Limits.__struct_fields__]
    assert [(name, float(value)) for name, value, _ in rows("Limits")] == expected
    prose = " ".join(PAGE.split())
    assert f"nest {MAX_DEPTH} levels deep" in prose
    assert f"more than {'ten' if limits.keepalive == 10 else limits.keepalive} seconds" in prose


def told(name: str, refusal: Refusal) -> str:
    """The word for a refusal in this dialect."""
    error = json.loads(dialect_of(name).error(refusal))["error"]
    return str(error["status"] if name == "google" else error["type"])


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.message)
def test_every_error_is_on_the_page(refusal: Refusal) -> None:
    """The table of errors has each status, its word in every dialect, and whether to ask again."""
    (row,) = [row for row in rows("Errors") if row[0] == str(int(refusal.status))]
    words = [told(name, refusal) for name in ("chat", "anthropic", "google")]
    assert row[2:] == [*(f"`{word}`" for word in words), "yes" if refusal.retryable else "no"]
    assert told("responses", refusal) == words[0]


def test_no_error_is_on_the_page_that_there_is_not() -> None:
    """The table has the statuses there are, in their order."""
    assert [int(row[0]) for row in rows("Errors")] == sorted({int(refusal.status) for refusal in REFUSALS})


def test_every_dialect_is_on_the_page() -> None:
    """The table of dialects has each of them, and paths that are its own."""
    assert sorted(row[0].strip("`") for row in rows("Four dialects")) == sorted(NAMES)
    for name, paths, _ in rows("Four dialects"):
        for path in re.findall(r"`(/v1/[^`]+)`", paths):
            signs = {"anthropic-version": "x"} if name == "`anthropic`" else {}
            found = dialects.find(path, signs)
            assert found is not None, path
            assert f"`{found[0].name}`" == name


def test_the_table_of_exchanges_is_on_the_page() -> None:
    """What becomes of a repeated request is printed as the server decides it."""
    assert f"```text\n{table()}\n```" in PAGE
