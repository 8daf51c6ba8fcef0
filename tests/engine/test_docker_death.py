"""Rollouts in containers while everything around them dies: the engine of ours, and Docker's."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from docker import DockerClient

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.cold import cold_client
from greenroom.sandboxes.docker.owner import RUN
from greenroom.specs import Docker
from tests.engine.playing import shell_agent
from tests.engine.test_docker import a_task, done
from tests.sandboxes.docker.daemon import Daemon
from tests.sandboxes.docker.ledger import Ledger

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.long,
    pytest.mark.timeout(420),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

ROLLOUTS = 30
DEATHS = 20
PROGRAM = """
import asyncio, sys
from greenroom.engine import Engine
from tests.engine.playing import shell_agent
from tests.engine.test_docker import a_task, done
from greenroom.specs import Docker

async def main(image, store, *ids):
    spec = Docker(image=image, memory="256m")
    engine = Engine(shell_agent("sleep 0.5"), sandbox=spec, model=done, store=store, concurrency=8, console=False)
    async with engine:
        async for outcome in engine.run([a_task(id=id, setup=("true",)) for id in ids]):
            print("ENDED", outcome.task_id, outcome.status, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def play(image: str, store: Path, ids: list[str], seconds: float | None) -> tuple[list[str], int]:
    """Run the tasks in a process of their own, killed after so many seconds; what it announced, its exit status."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-c", PROGRAM, image, str(store), *ids]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    if seconds is not None:
        time.sleep(seconds)
        process.kill()
    said, _ = process.communicate(timeout=200)
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith("ENDED ")]
    assert {status for _, status in lines} <= {"completed"}
    return [id for id, _ in lines], process.returncode


def test_the_engine_is_killed_again_and_again(
    anyio_backend: object, docker_spec: Docker, docker_client: DockerClient, tmp_path: Path
) -> None:
    """Killed at twenty random moments of one run, the engine leaves no container within 15 s, and goes on each time."""
    store = tmp_path / f"run-{os.getpid()}"
    moments = random.Random(20)  # noqa: S311 - moments of death
    tasks = [f"t{number}" for number in range(ROLLOUTS)]
    before = belongings(docker_client)
    with closing(Ledger(docker_client, f"{RUN}={store.name}")) as book:
        for _ in range(DEATHS):
            play(docker_spec.image, store, tasks, moments.uniform(0.3, 3.0))
            book.until_empty(15)
        ended, status = play(docker_spec.image, store, tasks, None)
        assert (sorted(ended), status) == (sorted(tasks), 0)
        assert book.names() == []
    assert belongings(docker_client) == before


def belongings(client: DockerClient) -> set[str]:
    """Names of all volumes and networks."""
    networks: list[Any] = client.networks.list()  # pyright: ignore[reportUnknownMemberType]
    return {str(found.name) for found in [*client.volumes.list(), *networks]}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A Docker engine that may be killed."""
    with Daemon() as daemon:
        yield daemon


@pytest.mark.needs("root", "dockerd")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_docker_dies_in_the_middle_of_a_run(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A run outlives a restart of its Docker engine: what was lost is tried again, and every rollout completes."""
    monkeypatch.setenv("DOCKER_HOST", daemon.url)
    spec = Docker(image=await anyio.to_thread.run_sync(daemon.image), memory="256m")
    engine = Engine(shell_agent("sleep 4"), sandbox=spec, model=done, concurrency=4, attempts=3)
    outcomes: list[Outcome] = []

    async def run() -> None:
        async with engine:
            outcomes.extend(
                [outcome async for outcome in engine.run([a_task(id=f"t{n}", deadline=150.0) for n in range(8)])]
            )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(4)
        await anyio.to_thread.run_sync(daemon.end, number)
        await anyio.to_thread.run_sync(daemon.start)
    assert [outcome.status for outcome in outcomes] == ["completed"] * 8
    assert any(len(outcome.attempts) > 1 for outcome in outcomes)
    with closing(cold_client(find_engine(daemon.url))) as client:
        assert client.containers.list(all=True) == []
