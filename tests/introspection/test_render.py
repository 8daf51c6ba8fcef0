from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.introspection import render
from greenroom.introspection.protocol import Detail, Happening, Row

ROWS = [
    Row("/", "Supervisor", "running", age=90),
    Row("/engine", "Engine", "running", age=90),
    Row("/engine/rollouts", "Supervisor", "running", age=89, restarts=2),
    Row("/engine/rollouts/r-1", "Rollout", "running", mailbox=7, handled=3, age=5, in_hand="Start"),
    Row("/engine/rollouts/r-2", "Rollout", "running", age=4, waiting_on="/engine/journal"),
    Row("/engine/journal", "Journal", "stopping", handled=12, age=88, jobs=("commit",)),
]


def test_the_tree_hangs_actors_under_their_supervisors() -> None:
    """Each actor stands below its supervisor, with lines that lead there."""
    assert render.tree(ROWS).splitlines() == [
        "ACTOR           KIND        STATE     MAIL  HANDLED  RESTARTS    AGE  DOING",
        "/               Supervisor  running      0        0         0  1m30s",
        "└─ engine       Engine      running      0        0         0  1m30s",
        "   ├─ rollouts  Supervisor  running      0        0         2  1m29s",
        "   │  ├─ r-1    Rollout     running      7        3         0   5.0s  Start",
        "   │  └─ r-2    Rollout     running      0        0         0   4.0s  waits on /engine/journal",
        "   └─ journal   Journal     stopping     0       12         0  1m28s  commit",
    ]


def test_a_branch_begins_with_its_own_path() -> None:
    """A tree that does not begin at the root names the whole path first."""
    assert render.tree(ROWS[3:4]).splitlines()[1].startswith("/engine/rollouts/r-1  Rollout")


@pytest.mark.parametrize(
    ("sort", "first"), [("path", "/"), ("mailbox", "/engine/rollouts/r-1"), ("restarts", "/engine/rollouts")]
)
def test_ps_sorts_by_what_is_asked(sort: str, first: str) -> None:
    """The row that stands out stands first."""
    assert render.ps(reversed(ROWS), sort).splitlines()[1].split()[0] == first


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (59.9, "59s"), (187, "3m07s"), (7500, "2h05m"), (273_600, "3d04h")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """Two units at most."""
    assert render.duration(seconds) == text


@given(st.text(st.characters()))
def test_escaped_text_is_printable(text: str) -> None:
    """Nothing that moves the cursor, changes colours or turns the direction of text gets through."""
    assert render.escape(text).isprintable()


def test_plain_text_is_left_as_it_is() -> None:
    """Letters of any script, and spaces, need no escape."""
    assert render.escape("naïve 日本語 ok") == "naïve 日本語 ok"


@given(st.text(st.characters(), min_size=1))
def test_no_listing_carries_control_characters(text: str) -> None:
    """Names, states and events are escaped wherever they are shown."""
    row = Row(f"/{text}", text, text, in_hand=text, waiting_on=text, jobs=(text,))
    detail = Detail(row, {text: [text, {text: text}]}, (text,), (text,), (text,), (text,), text)
    shown = [render.tree([row]), render.ps([row]), render.detail(detail), render.event(Happening(text, text, text))]
    assert all(line.isprintable() for text in shown for line in text.split("\n"))


def test_detail_shows_the_state_line_by_line() -> None:
    """What an actor shows of itself is indented under one heading."""
    shown = render.detail(Detail(ROWS[3], {"turns": 4, "sandbox": {"id": "s-1", "lost": None}, "log": ["a", "b"]}))
    assert shown.splitlines() == [
        "/engine/rollouts/r-1  Rollout, running for 5.0s, 0 restarts",
        "mailbox   7 waiting (at most 0), 3 handled",
        "in hand   Start",
        "state",
        "  turns 4",
        "  sandbox",
        "    id s-1",
        "    lost null",
        "  log",
        "    - a",
        "    - b",
    ]


def test_detail_shows_the_last_crash_as_it_was_written() -> None:
    """A traceback keeps its lines."""
    assert render.detail(Detail(ROWS[0], last_crash="Traceback:\n  boom")).splitlines()[-3:] == [
        "last crash",
        "  Traceback:",
        "    boom",
    ]


def test_an_event_says_how_many_were_missed() -> None:
    """A listener that was too slow learns what it did not see."""
    assert (
        render.event(Happening("crashed", "/a", "boom", 1.5, 3))
        == "     1.500  crashed      /a  boom  (3 missed so far)"
    )


CELL = st.text("ab -", max_size=60)


@given(st.lists(st.tuples(CELL, CELL, st.integers(0, 10**6).map(str)), max_size=5), st.integers(60, 200))
def test_a_table_fits_and_loses_nothing(rows: list[tuple[str, str, str]], width: int) -> None:
    """No line is wider than was asked for, and every character of every cell is still there."""
    text = render.table(("LEFT", "MIDDLE", "NUMBER"), rows, ("NUMBER",), width)
    assert all(len(line) <= width for line in text.splitlines())
    held = "".join("".join(row) for row in rows)
    assert Counter("".join(text.split())) == Counter("LEFTMIDDLENUMBER" + "".join(held.split()))


def test_a_table_uses_the_room_there_is() -> None:
    """Rows are broken only where they have to be, at the widest column; numbers never are."""
    rows = [("a-long-name-of-a-task", "1", "what happened, in some words")]
    assert render.table(("TASK", "COUNT", "WHY"), rows, ("COUNT",), 60).splitlines() == [
        "TASK                   COUNT  WHY",
        "a-long-name-of-a-task      1  what happened, in some words",
    ]
    assert render.table(("TASK", "COUNT", "WHY"), rows, ("COUNT",), 40).splitlines() == [
        "TASK             COUNT  WHY",
        "a-long-name-of-      1  what happened,",
        "a-task                  in some words",
    ]
