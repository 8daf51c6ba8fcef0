"""The engine is killed by SIGKILL at random moments, over and over: nothing announced is lost, nothing is left."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from greenroom.engine.store import RunStore
from tests.engine.nursery import SAMPLES, tasks

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.needs("bwrap")]

KILLS = int(os.environ.get("GREENROOM_KILLS", "50" if os.environ.get("CI") else "10"))
SECONDS = 50.0
"""A life that takes longer hangs."""


class Nursery:
    """Engines to be killed, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.announced: dict[str, list[str]] = defaultdict(list)
        """Ids of rollouts, by run, as they were announced in all lives so far."""
        self.rest = b""

    def live(self, place: Path, outcomes: float, seconds: float) -> int:
        """Start one; kill it after so many outcomes or seconds, whatever is first. Gives its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{place}\n".encode())
        self.process.stdin.flush()
        (_, pid) = self.line(SECONDS)
        limit, doomed = time.monotonic() + seconds, True
        while True:
            words = self.line(min(SECONDS, limit - time.monotonic()) if doomed else SECONDS)
            match words:
                case "ended", status:
                    return int(status)
                case "announced", run, rollout_id:
                    self.announced[run].append(rollout_id)
                    outcomes -= 1
                case _:
                    assert doomed, "a killed engine does not die"
            if doomed and (outcomes <= 0 or not words):
                os.kill(int(pid), signal.SIGKILL)
                doomed = False

    def line(self, seconds: float) -> tuple[str, ...]:
        """The words of the next line; none if there is no line for so many seconds."""
        assert self.process.stdout is not None
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, seconds))
            if not ready:
                return ()
            self.rest += os.read(self.process.stdout.fileno(), 4096)
        line, _, self.rest = self.rest.partition(b"\n")
        return tuple(line.decode().split())


@contextmanager
def a_nursery(errors: Path) -> Generator[Nursery]:
    """Over when the block ends, with everybody in it."""
    command = [sys.executable, "-m", "tests.engine.nursery"]
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    with (
        errors.open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=root, env=environment
        ) as process,
    ):
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def those_who_mention(path: Path) -> list[str]:
    """Command lines of all processes that have to do with it."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if str(path).encode() in command + environment and int(process.name) != os.getpid():
            found.append(command.decode(errors="replace"))
    return found


def moment(rng: random.Random) -> tuple[float, float]:
    """After so many outcomes, right when they are announced; or after so many seconds, whatever happens then."""
    return (rng.randint(1, 8), SECONDS) if rng.random() < 0.5 else (float("inf"), rng.uniform(0.0, 1.0))


def check(place: Path, announced: dict[str, list[str]]) -> None:
    """Every announced outcome is there, each task and sample has exactly one, and nothing is left."""
    for kind in ("local", "simulated"):
        with RunStore.open(place / kind) as store:
            kept = list(store.outcomes())
            assert store.leases() == []
        ids = [outcome.rollout_id for outcome in kept]
        assert set(announced[kind]) <= set(ids)
        keys = sorted((outcome.task_id, outcome.sample) for outcome in kept)
        assert keys == sorted((task.id, sample) for task in tasks(kind) for sample in range(SAMPLES))
        lines = (place / kind / "outcomes.jsonl").read_text().splitlines()
        assert len(lines) == len(ids)
        assert {outcome.status for outcome in kept if outcome.fault is None} == {"completed"}
    assert list((place / "sandboxes").iterdir()) == []
    assert those_who_mention(place / "sandboxes") == []


def test_killed_at_random_moments_it_loses_and_leaves_nothing(tmp_path: Path) -> None:
    """Local and simulated rollouts in one process, killed again and again, end as if it had never been killed."""
    rng = random.Random(6)  # noqa: S311 - moments
    kills = runs = 0
    with a_nursery(tmp_path / "errors") as nursery:
        while kills < KILLS:
            runs += 1
            place = tmp_path / f"run-{runs}"
            place.mkdir()
            nursery.announced.clear()
            status = -signal.SIGKILL
            while status == -signal.SIGKILL and kills < KILLS:
                status = nursery.live(place, *moment(rng))
                kills += status == -signal.SIGKILL
            if status != 0:
                status = nursery.live(place, float("inf"), SECONDS)
            assert status == 0, (tmp_path / "errors").read_text()
            check(place, nursery.announced)
