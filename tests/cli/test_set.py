"""Limits of a running engine, changed from another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.cli.process import Greenroom, greenroom
from tests.cli.test_attach import answer, ask

pytestmark = [pytest.mark.real_time, pytest.mark.long]


@pytest.fixture
def engine(place: Path) -> Iterator[Greenroom]:
    """An engine in which one rollout has ended and one hangs."""
    command = ("run", "stuck.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with greenroom(*command, "--json", "--out", "first") as run:
        assert [run.record()["type"] for _ in range(2)] == ["start", "outcome"]
        yield run


def test_limits_are_changed_and_seen(engine: Greenroom) -> None:
    """What is set is said, and stands below the lists of actors from then on."""
    assert answer("set", "concurrency=400", "image:python:3.12=4", "load=none").strip() == (
        "concurrency=400 image:python:3.12=4 load=none"
    )
    for command in ("ps", "tree"):
        lines = answer(command).splitlines()
        assert "1 of 400 running, 0 waiting, 1 done" in lines
        assert [line for line in lines if line.startswith("limits") and "image:python:3.12=4" in line]


def test_a_change_is_told_to_machines_too(engine: Greenroom) -> None:
    """With --json, what is new is one object."""
    assert msgspec.json.decode(answer("set", "--json", "per_image=3", "circuits=closed")) == {"per_image": 3}


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        (["concurrency=0"], 1, "concurrency: expected a whole number, 1 or more, got 0"),
        (["concurrency=7", "speed=9"], 1, "speed: there is no such limit"),
        (["circuits=open"], 1, "circuits: can be set to 'closed'"),
        (["concurrency"], 2, "expected NAME=VALUE"),
    ],
)
def test_what_makes_no_sense_changes_nothing(engine: Greenroom, changes: list[str], status: int, says: str) -> None:
    """The text says what is wrong, the exit status too, and all limits stay as they were."""
    done = ask("set", *changes)
    assert done.returncode == status
    assert says in done.stderr
    assert "1 of 64 running" in answer("ps")
