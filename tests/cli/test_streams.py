"""Every command on streams that are closed, full, or read by nobody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import join
from typing import NamedTuple

import click
import pytest

from greenroom.cli.app import app
from tests.cli.process import SECONDS, Greenroom, environment, greenroom

pytestmark = [pytest.mark.real_time, pytest.mark.long]

SIMULATED = "simulated:boot=0,turn=0.02"
RUN = f"run tasks.toml --sandbox {SIMULATED} --model model.toml"
ALONE = {
    "run": (f"{RUN} --json", 0),
    "resume": ("resume nowhere", 2),
    "doctor": ("doctor", 0),
    "agents list": ("agents", 0),
    "agents try": ("agents try nobody", 2),
    "tasks list": ("tasks list tasks.toml", 0),
    "tasks check": ("tasks check tasks.toml --sandbox simulated", 1),
    "tasks convert": ("tasks convert nowhere new", 2),
    "sandboxes": ("sandboxes", 1),
    "reap": ("reap", 1),
    "image build": ("image build --agent nobody", 2),
}
"""A line for each command with its usual status, and with `ATTACHED` for all of them."""
ATTACHED = {"ps": "ps", "tree": "tree", "inspect": "inspect /engine", "set": "set concurrency=3", "events": "events"}
MORE = [("--help", 0), ("--version", 0), (RUN, 0)]


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


CLOSED, FULL, BROKEN = "<&- >&- 2>&-", ">/dev/full", "| true; exit ${PIPESTATUS[0]}"


def run(line: str, *streams: str) -> list[Ended]:
    """A command under shells that prepare its streams, side by side."""
    command = f"{join([sys.executable, '-m', 'greenroom'])} {line}"
    started = [
        subprocess.Popen(
            ["bash", "-c", f"{command} {each}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for each in streams
    ]
    ended = [
        Ended(process.returncode, *said) for process, said in [(p, p.communicate(timeout=SECONDS)) for p in started]
    ]
    for each in ended:
        assert "Traceback" not in each.err, each.err
        assert "Exception" not in each.err, each.err
    return ended


@pytest.fixture
def engine(place: Path) -> Iterator[Greenroom]:
    """An engine in which something always happens."""
    options = ("--samples", "100000", "--concurrency", "2", "--json", "--out", "busy")
    with greenroom(
        "run", "tasks.toml", "--sandbox", "simulated:boot=0,turn=1", "--model", "model.toml", *options
    ) as run:
        assert run.record()["type"] == "start"
        assert run.record()["type"] == "outcome"
        yield run


def commands(group: click.Group, above: str = "") -> Iterator[str]:
    """The names of all of them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
            if command.invoke_without_command:
                yield f"{above}{name} list"
        else:
            yield above + name


def test_every_command_is_tried_here() -> None:
    """A command that is new is tried on broken streams as well."""
    assert set(commands(app)) == {*ALONE, *ATTACHED}


@pytest.mark.parametrize(("line", "usual"), [*ALONE.values(), *MORE])
def test_no_stream_makes_a_command_fall_over(
    place: Path, monkeypatch: pytest.MonkeyPatch, line: str, usual: int
) -> None:
    """Closed streams change only what is read; a full disk is a sentence and status 1; a broken pipe is quiet."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/no-docker.sock")
    closed, full, broken = run(line, CLOSED, FULL, BROKEN)
    assert closed == Ended(usual, "", "")
    if "No space left on device" in full.err:
        assert full.status == 1
        assert broken.status in ({1, 0} if line.startswith("run") else {141, usual})
    else:
        assert usual != 0
        assert (full.status, broken.status) == (usual, usual)


def test_an_error_that_nobody_hears_is_a_status(place: Path) -> None:
    """Where standard error takes nothing, the exit status still tells."""
    ended = run("resume nowhere", "2>/dev/full", "2>&-", "2>&1 | true; exit ${PIPESTATUS[0]}")
    assert [each.status for each in ended] == [2, 2, 2]


def test_no_stream_makes_a_visitor_fall_over(engine: Greenroom) -> None:
    """The same holds for those who look into an engine, and the engine does not notice."""
    for line in ATTACHED.values():
        streams = (FULL, BROKEN) if line == "events" else (FULL, BROKEN, CLOSED)
        full, broken, *closed = run(line, *streams)
        assert (full.status, full.err.count("No space left on device")) == (1, 1), line
        assert broken.status in (0, 141), line
        assert [each.status for each in closed] == [0] * len(closed), line
    assert engine.process.poll() is None


def test_a_reader_that_has_read_enough(place: Path) -> None:
    """``head`` gets its line, and nobody else gets any."""
    (ended,) = run("agents", "| head -1; exit ${PIPESTATUS[0]}")
    assert (ended.out.split()[0], ended.err) == ("AGENT", "")
    assert ended.status in (0, 141)
