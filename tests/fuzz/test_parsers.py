"""The parsers, given bytes until the time is up."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.fuzz.budget import CALM, SECONDS
from tests.fuzz.targets import GOOD, TARGETS, dialect_in
from tests.fuzz.words import anything

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.needs("atheris")
def test_no_parser_is_brought_down() -> None:
    """No bytes that a search guided by coverage comes upon make a parser raise what it should not, or hang."""
    argv = [sys.executable, "-m", "tests.fuzz.guided", str(SECONDS)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS + 90, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None, done.stderr[-2000:]
    assert int(runs[1]) > 100 * SECONDS


@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_is_brought_down_by_what_is_likely(name: str) -> None:
    """No bytes, no JSON and nothing that is almost right make a parser raise what it should not."""
    until = time.monotonic() + min(SECONDS / 10, 2)

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=CALM)
    @given(anything(GOOD[name], dialect_in(name)))
    def search(found: bytes) -> None:
        TARGETS[name](found)

    while time.monotonic() < until:
        search()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_good_is_taken(name: str) -> None:
    """What is searched from is what the parsers are for."""
    for data in GOOD[name]:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """What is known to be nasty is tried first, on every parser."""
    nasty = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b'""',
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"messages":"x"}',
        b'{"messages":[{}]}',
        b'{"input":[{"type":1}]}',
        b'{"model":"m","input":"x","tools":[{"type":"namespace","name":"n","tools":[{"name":"t"}]}]}',
        b'{"contents":[{"parts":[null]}]}',
        b'{"model":"\\ud83d"}',
        b'{"max_tokens":1e400}',
        b'{"max_tokens":99999999999999999999}',
        b"data: \xff\n\n",
        b"\n" * 999,
        b'{"stream":"yes"}',
        b'{"tools":[[]]}',
        b'{"temperature":NaN}',
        b'{"choices":[{"message":{"tool_calls":[{}]}}]}',
    ]
    for data in nasty:
        TARGETS[name](data)
