"""The command line as a process: started, read line by line, outlived by nobody."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

SECONDS = 50


class Greenroom:
    """A running ``greenroom``."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "greenroom", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def record(self) -> dict[str, Any]:
        """The next line of standard output, as JSON."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said()
        record: dict[str, Any] = msgspec.json.decode(line)
        return record

    def said(self) -> str:
        """The next line of standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def rest(self) -> tuple[int, list[dict[str, Any]], str]:
        """Exit status, what was still to come as JSON, and all of standard error."""
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, [msgspec.json.decode(line) for line in out.splitlines()], err

    def descendants(self) -> list[int]:
        """Pidfds of all processes below it."""
        parents = dict(_parents())
        below = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        return [fd for pid in below - {self.process.pid} if (fd := _pidfd(pid)) is not None]


def environment() -> dict[str, str]:
    """Ours, such that a process finds the same greenroom from any directory."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def greenroom(*arguments: str) -> Generator[Greenroom]:
    """Start it; it is dead when the block ends."""
    running = Greenroom(*arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate(timeout=SECONDS)


def all_end(pidfds: list[int]) -> bool:
    """Wait until all of these processes have ended; False if one does not."""
    try:
        return all(select.select([fd], [], [], SECONDS)[0] for fd in pidfds)
    finally:
        for fd in pidfds:
            os.close(fd)


def _parents() -> Iterator[tuple[int, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has just ended
        yield int(stat.parent.name), int(text.rpartition(")")[2].split()[1])


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
