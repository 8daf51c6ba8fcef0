from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from greenroom.actors.board import RolloutRow, Snapshot
from greenroom.cli.live import picture
from greenroom.specs.limits import Bounds
from tests.cli.process import SECONDS, environment

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


def row(number: int, task_id: str = "a") -> RolloutRow:
    """A rollout whose agent works."""
    return RolloutRow(
        rollout_id=f"r-{number:06d}",
        task_id=task_id,
        sample=0,
        phase="agent",
        attempt=1,
        turns=2,
        seconds=61.0,
        restarts=0,
    )


def drawn(rows: list[RolloutRow], height: int, paused: str = "") -> list[str]:
    """The lines of one frame."""
    snapshot = Snapshot(
        submitted=90,
        waiting=0,
        finished={"completed": 10},
        solved=4,
        scored=9,
        paused=paused,
        limits=Bounds(),
        circuits=(),
        rollouts=tuple(rows),
    )
    console = Console(file=StringIO(), width=90, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(snapshot, 100, height, "10 outcomes: 10 completed", "results: runs/x"))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_every_running_rollout_has_a_line() -> None:
    """Totals above, one line per rollout, and what has ended below."""
    assert drawn([row(2), row(1)], 24) == [
        "10/100 done   2 running   88 to come   4 of 9 scored have a reward above 0",
        "ROLLOUT   TASK  SAMPLE  PHASE  ATTEMPT  TURNS   TIME  RESTARTS",
        "r-000001  a          0  agent        1      2  1m01s         0",
        "r-000002  a          0  agent        1      2  1m01s         0",
        "10 outcomes: 10 completed",
        "results: runs/x",
    ]


def test_the_time_that_models_take_has_a_column() -> None:
    """As soon as a model has held calls of anybody, each line says for how long in this attempt."""
    waiting = replace(row(1), model_seconds=83.0)
    assert drawn([row(2), waiting], 24)[1:4] == [
        "ROLLOUT   TASK  SAMPLE  PHASE  ATTEMPT  TURNS   TIME  MODEL  RESTARTS",
        "r-000001  a          0  agent        1      2  1m01s  1m23s         0",
        "r-000002  a          0  agent        1      2  1m01s   0.0s         0",
    ]


@pytest.mark.parametrize("height", [8, 24, 50])
def test_a_frame_is_never_higher_than_the_screen(height: int) -> None:
    """What does not fit is counted."""
    lines = drawn([row(number) for number in range(1000)], height, paused="disk full")
    assert height - 1 <= len(lines) <= height
    shown = sum(line.startswith("r-") for line in lines)
    assert f"... and {1000 - shown} more" in lines
    assert "PAUSED: disk full" in lines


def test_names_are_text_and_nothing_else() -> None:
    """Neither control characters nor rich's own markup in a name change the picture."""
    line = drawn([row(1, "[bold]x[/bold]\x1b[31m")], 24)[2]
    assert "[bold]x[/bold]\\x1b[31m" in line


ALLOWED = re.compile(rb"\x1b\[(\?25[hl]|\d*[A-K])")
"""Moving the cursor, hiding and showing it, clearing lines."""


@pytest.mark.real_time
@pytest.mark.parametrize("no_color", ["1", ""])
def test_without_colour_only_the_cursor_is_moved(place: Path, no_color: str) -> None:
    """With NO_COLOR nothing is coloured, bold or dim; without it, something is."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
    command = ("run", "stuck.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with subprocess.Popen(
        [sys.executable, "-m", "greenroom", *command],
        env={**environment(), "TERM": "xterm-256color", "NO_COLOR": no_color},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while b"RESTARTS" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        seen += rest(ours)
        assert process.wait(SECONDS) == 130
    os.close(ours)
    others = ALLOWED.sub(b"", seen)
    assert (b"\x1b" not in others) is bool(no_color), others


@pytest.mark.real_time
def test_a_terminal_shows_what_runs_and_is_given_back(place: Path) -> None:
    """In a terminal rollouts are drawn while they run; after Ctrl-C come the table and the cursor."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
    command = ("run", "stuck.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with subprocess.Popen(
        [sys.executable, "-m", "greenroom", *command],
        env={**environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while not all(text in seen for text in (HIDE, b"1/2 done", b"stuck", b"RESTARTS")):
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        seen += rest(ours)
        assert process.wait(SECONDS) == 130
    os.close(ours)
    assert seen.rfind(SHOW) > seen.rfind(HIDE)
    after = seen[seen.rfind(SHOW) :].decode()
    assert "cancelled" in after
    assert "2 outcomes: 1 cancelled, 1 completed" in after


@pytest.mark.real_time
@pytest.mark.parametrize(("agent_timeout", "short"), [(2000, True), (None, False)])
def test_shares_are_said_before_anything_is_drawn(place: Path, agent_timeout: int | None, short: bool) -> None:  # noqa: FBT001 - a parameter
    """On a terminal, where no log goes, how a deadline is shared out is a line, what it cuts short another."""
    limit = f"agent_timeout = {agent_timeout}\n" if agent_timeout else ""
    (place / "one.toml").write_text(f'[[task]]\nid = "a"\ninstruction = "x"\nverify = ["true"]\n{limit}')
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 200, 0, 0))
    command = ("run", "one.toml", "--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
    with subprocess.Popen(
        [sys.executable, "-m", "greenroom", *command],
        env={**environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = rest(ours)
        assert process.wait(SECONDS) == 0
    os.close(ours)
    before = seen[: seen.find(HIDE)].decode()
    assert "deadline 1800 s: 1665 s for boot, set-up and agent" in before
    warning = (
        "warning: the deadline of 1800 s leaves 1665 s for boot, set-up and agent together, less than the 2000 s that"
    )
    assert (warning in before) == short


def rest(terminal: int) -> bytes:
    """Everything until the other side is closed."""
    seen = b""
    try:
        while data := os.read(terminal, 65536):
            seen += data
    except OSError:  # how a terminal says that
        pass
    return seen
