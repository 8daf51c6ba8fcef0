"""The table of `docs/outcomes.md`, read as what is expected: the page and the code cannot differ unseen."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "outcomes.md"
_HEAD = ("cause", "status", "blame", "retried", "graded", "reward valid", "meaning")


class Row(Struct, frozen=True):
    """What the page promises for one cause."""

    cause: str
    status: str
    blame: str | None
    retried: bool
    graded: bool
    reward_valid: bool
    meaning: str


def rows(text: str) -> dict[str, Row]:
    """The rows of the page's first table, by cause. Raises `ValueError` if it is not the table of causes."""
    table = re.search(r"^\|.*(?:\n\|.*)*", text, re.MULTILINE)
    lines = [_cells(line) for line in table[0].splitlines()] if table else []
    if not lines or lines[0][: len(_HEAD)] != _HEAD:
        raise ValueError(f"the first table of the page does not begin with the columns {', '.join(_HEAD)}")
    return {cells[0]: _row(cells) for cells in lines[2:]}


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _row(cells: tuple[str, ...]) -> Row:
    cause, status, blame, *answers, meaning = cells[: len(_HEAD)]
    retried, graded, valid = (_yes(answer) for answer in answers)
    return Row(cause, status, None if blame == "-" else blame, retried, graded, valid, meaning)


def _yes(answer: str) -> bool:
    if answer not in {"yes", "no"}:
        raise ValueError(f"expected yes or no, got {answer!r}")
    return answer == "yes"


PAGE = rows(_PAGE.read_text())
