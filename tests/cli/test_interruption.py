from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.process import SECONDS, environment

pytestmark = pytest.mark.real_time

PROGRAM = """
import functools, os, anyio
from greenroom.cli import interruption
interruption.LIMIT_SECONDS = {limit}

async def main():
    say = functools.partial(print, flush=True)
    watch = interruption.Interruption(lambda number: say("stop", number.name), lambda: say("tidy"))
    async with anyio.create_task_group() as tasks:
        await tasks.start(watch.watch)
        for number in {signals}:
            os.kill(os.getpid(), number)
        await anyio.sleep({sleep})
        tasks.cancel_scope.cancel()
    print("over", watch.exit_status)

anyio.run(main)
"""


def watched(signals: list[int], *, limit: float = 60, sleep: float = 60, ignore: str = "") -> tuple[int, list[str]]:
    """Exit status and output of a program that gets signals while it watches for them."""
    program = PROGRAM.format(limit=limit, signals=signals, sleep=sleep)
    shell = f'{ignore} exec "$0" -c "$1"'
    command = ["/bin/sh", "-c", shell, sys.executable, program]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, timeout=SECONDS, env=environment())
    return done.returncode, done.stdout.splitlines()


def test_an_orderly_stop_that_takes_too_long_is_cut_short() -> None:
    """The time that was stated is kept: after it the process ends as if there had been a second signal."""
    assert watched([2], limit=0.01) == (130, ["stop SIGINT", "tidy"])


def test_two_signals_end_at_once() -> None:
    """The second one does not wait for anything."""
    assert watched([15, 2]) == (143, ["stop SIGTERM", "tidy"])


def test_without_a_signal_nothing_happens() -> None:
    """A program that just ends has no status of its own from here."""
    assert watched([], sleep=0) == (0, ["over None"])


def test_a_program_started_with_nohup_does_not_hear_the_terminal_end() -> None:
    """SIGHUP stops a run, unless it was started to outlive its terminal."""
    assert watched([1], limit=0.01) == (129, ["stop SIGHUP", "tidy"])
    assert watched([1], sleep=0, ignore="trap '' HUP;") == (0, ["over None"])
