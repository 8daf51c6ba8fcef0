"""Makes `docs/compatibility.md` out of the tables in the code: what servers and agents send, and what becomes of it.

``python tools/compatibility.py`` writes the page; a test says that it is up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from greenroom.interception.dialects.field import Field
from greenroom.interception.dialects.fields import FIELDS
from greenroom.interception.finish import FINISH_REASONS, FinishRow
from greenroom.interception.overflow import OVERFLOWS, STATUSES, OverflowRow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "compatibility.md"

DIALECTS = {
    "chat": "OpenAI chat completions",
    "responses": "OpenAI Responses",
    "anthropic": "Anthropic Messages",
    "google": "Google's Gemini API",
}
"""Their names for people, in the order of the page."""

_HEAD = """# Compatibility

What models' servers say, what agents ask, and what becomes of it. `make compatibility` makes this page out of the
tables that the code itself reads. How requests travel is in [interception](interception.md), who answers them in
[models](models.md), and what failures amount to in [outcomes](outcomes.md).
"""

_FINISH = """## Why answers end

The words of `finish_reason`, `stop_reason` and the like. Case, hyphens and underscores do not matter. What is not in
the table is unknown.

| meaning | what becomes of the answer |
| --- | --- |
| finished | it is whole |
| length | it was cut at the limit that the request or the server set |
| context | the agent is ended politely, as with a conversation that is too long: `turns_used_up` |
| content filter | it was withheld or cut by a filter, and the agent is told so |
| tool calls | whether tools are called is told by the answer itself |
| failed | the model did not end it: it is asked for again, and never is a turn |
| unknown | it is recorded as such, and its attempt is not `trainable` |
"""

_OVERFLOW = """## When a conversation is too long

A match ends the agent politely, and what it left is scored: `turns_used_up`. Codes come first. Words are regular
expressions, looked for in text in lower case in which white space is one blank. They count only with the statuses
{statuses}: never with 429, nor where a rate limit is spoken of.
"""

_FIELDS = """## What becomes of every field

Upstream is what a server of chat completions, such as vLLM, is told; a dash is nothing. `[]` is each item of a list,
`[type=x]` those of one kind.
"""

_FATES = {
    "taken": "there is a neutral word for it",
    "along": "it stays with the call, and an upstream is told",
    "note": "the model reads what it says, or that it was there",
    "answered": "greenroom does it",
    "idle": "it would change nothing here",
    "left": "it cannot be had here: it stays in `ModelCall.extra`, and the log says so once",
    "refused": "the request is answered with 400",
}


def page(finish: Sequence[FinishRow], overflows: Sequence[OverflowRow], fields: Sequence[Field]) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_finish(finish), *_overflows(overflows), *_fields(fields)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table. Raises `ValueError` for a vertical bar: readers of Markdown differ in how it is escaped."""
    lines = [tuple(head), ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _finish(rows: Sequence[FinishRow]) -> list[str]:
    lines = [(_code(row.word), row.said_by, row.meaning, row.source) for row in rows]
    return [_FINISH, table(("word", "said by", "meaning", "source"), lines)]


def _overflows(rows: Sequence[OverflowRow]) -> list[str]:
    codes = [(_code(row.code), row.server, row.source) for row in rows if row.code]
    words = [
        f"{row.server} ({row.source}){_statuses(row)}:\n\n```text\n{row.words}\n```\n" for row in rows if row.words
    ]
    return [
        _OVERFLOW.format(statuses=_and(map(_number, STATUSES))),
        table(("code", "server", "source"), codes),
        *words,
    ]


def _statuses(row: OverflowRow) -> str:
    return "" if tuple(row.statuses) == tuple(STATUSES) else f", with {_and(map(_number, row.statuses))}"


def _number(status: int) -> str:
    return str(int(status))


def _fields(rows: Sequence[Field]) -> list[str]:
    parts = [_FIELDS, table(("fate", "meaning"), _FATES.items())]
    order = list(DIALECTS)
    for dialect, group in groupby(sorted(rows, key=lambda row: order.index(row.dialect)), lambda row: row.dialect):
        lines = [(_code(row.field), row.fate, row.becomes, row.upstream or "-") for row in group]
        parts += [f"### {DIALECTS[dialect]}\n", table(("field", "fate", "what becomes of it", "upstream"), lines)]
    return parts


def _code(text: str) -> str:
    return f"`{text}`"


def _cell(text: str) -> str:
    if "|" in text:
        raise ValueError(f"a cell of a table cannot hold a vertical bar: {text}")
    return " ".join(text.split())


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


if __name__ == "__main__":
    PAGE.write_text(page(FINISH_REASONS, OVERFLOWS, FIELDS))
