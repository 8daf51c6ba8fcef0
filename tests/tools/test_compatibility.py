"""The page of what servers say and agents ask is made of the code's own tables."""

from __future__ import annotations

import pytest

from greenroom.interception.dialects.field import Field
from greenroom.interception.dialects.fields import FIELDS
from greenroom.interception.finish import FINISH_REASONS, FinishRow
from greenroom.interception.overflow import OVERFLOWS, OverflowRow
from tools.compatibility import PAGE, page

FINISH = FinishRow("abort", "vLLM", "failed", "an/issue#1")
BY_CODE = OverflowRow(server="OpenAI", code="too_long", source="an/issue#2")
BY_WORDS = OverflowRow(server="vLLM", words=r"(?:a|b) too \d", statuses=(400,), source="an/issue#3")
ASKED = Field("google", "contents[].parts", "taken", "parts", "content")
SILENT = Field("chat", "store", "idle", "nothing is stored")


def test_the_page_is_what_the_tables_say() -> None:
    """`docs/compatibility.md` is up to date: `make compatibility` would change nothing."""
    assert PAGE.read_text() == page(FINISH_REASONS, OVERFLOWS, FIELDS)


def test_every_row_is_on_the_page() -> None:
    """Words, codes, patterns and fields are there as they are in the code, each with where it comes from."""
    lines = page([FINISH], [BY_CODE, BY_WORDS], [ASKED, SILENT]).splitlines()
    assert "| `abort` | vLLM | failed | an/issue#1 |" in lines
    assert "| `too_long` | OpenAI | an/issue#2 |" in lines
    at = lines.index("vLLM (an/issue#3), with 400:")
    assert lines[at + 1 : at + 5] == ["", "```text", r"(?:a|b) too \d", "```"]
    assert "| `contents[].parts` | taken | parts | content |" in lines
    assert "| `store` | idle | nothing is stored | - |" in lines


def test_dialects_come_in_their_order() -> None:
    """Fields stand below the name of their dialect, whatever their order in the code."""
    lines = page([], [], [ASKED, SILENT]).splitlines()
    assert lines.index("### OpenAI chat completions") < lines.index("### Google's Gemini API")


def test_a_cell_that_would_break_its_table_is_refused() -> None:
    """Readers of Markdown do not agree on how a bar is escaped in code, so there is none in a table."""
    with pytest.raises(ValueError, match="vertical bar"):
        page([FinishRow("a|b", "vLLM", "failed", "an/issue#1")], [], [])
