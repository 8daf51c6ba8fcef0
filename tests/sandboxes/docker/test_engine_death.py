"""Whoever made containers dies without a word, and nothing of them stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest
from docker import DockerClient

from greenroom.sandboxes.docker import DockerBackend, open_docker
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.client import Engine
from greenroom.sandboxes.docker.guard import Guard
from greenroom.sandboxes.docker.owner import BOOT, DEADLINE, HOST, OWNER, PROCESS, Owner, abandoned, this_process
from greenroom.sandboxes.docker.sweep import find, sweep
from greenroom.specs import Docker
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.ledger import Ledger

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

PROGRAM = """
import asyncio, sys
from greenroom.sandboxes import Exec, SandboxRequest
from greenroom.sandboxes.docker import open_docker
from greenroom.specs import Docker

async def main():
    backend = await open_docker(Docker(image=sys.argv[1], memory="256m"))
    print(backend.owner.id, backend._guard.pid, flush=True)
    made = [backend.create(SandboxRequest(id=f"s{n}", rollout_id="r", seconds=600)) for n in range(int(sys.argv[2]))]
    sandboxes = await asyncio.gather(*made)
    for sandbox in sandboxes:
        await sandbox.start(Exec(argv=("/bin/sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done")))
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


class Victim:
    """A process with a backend of its own, to be killed."""

    def __init__(self, image: str, containers: int) -> None:
        argv = [sys.executable, "-c", PROGRAM, image, str(containers)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        self.owner, guard = self.process.stdout.readline().split()
        self.guard = int(guard)

    def until_ready(self) -> None:
        """Wait until all containers run."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it."""
        self.process.send_signal(number)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def ledger(client: DockerClient) -> Iterator[Callable[[str], Ledger]]:
    """Makes ledgers."""
    ledgers: list[Ledger] = []

    def make(owner: str) -> Ledger:
        ledgers.append(Ledger(client, f"{OWNER}={owner}"))
        return ledgers[-1]

    yield make
    for found in ledgers:
        found.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_nothing_outlives_its_engine(
    anyio_backend: object, spec: Docker, ledger: Callable[[str], Ledger], number: signal.Signals
) -> None:
    """Six containers whose programs ignore every signal are gone within 15 s of their engine's death."""
    victim = Victim(spec.image, 6)
    victim.until_ready()
    book = ledger(victim.owner)
    assert len(book.names()) == 6
    victim.kill(number)
    book.until_empty(15)


def test_death_while_containers_are_being_made(
    anyio_backend: object, spec: Docker, ledger: Callable[[str], Ledger]
) -> None:
    """Killed at random moments of twelve boots, an engine leaves nothing either, created and half-started included."""
    for seed in range(4):
        victim = Victim(spec.image, 12)
        book = ledger(victim.owner)
        time.sleep(random.Random(seed).uniform(0.05, 1.2))  # noqa: S311 - the moment of death
        victim.kill()
        book.until_empty(20)


def test_without_a_reaper_the_keepers_see_to_it(
    anyio_backend: object, spec: Docker, ledger: Callable[[str], Ledger]
) -> None:
    """Should the reaper be killed with its engine, each container ends itself when its line is cut."""
    victim = Victim(spec.image, 3)
    victim.until_ready()
    book = ledger(victim.owner)
    os.kill(victim.guard, signal.SIGKILL)
    victim.kill()
    book.until_empty(15)


async def test_the_reaper_alone(
    spec: Docker, client: DockerClient, docker_host: str, ledger: Callable[[str], Ledger]
) -> None:
    """Containers nobody keeps, running, created or made late, are removed by the reaper that was left."""
    owner = this_process()
    guard = Guard(find_engine(), owner.id)
    book = ledger(owner.id)
    labels = owner.labels(a_request())
    client.containers.run(spec.image, ["sleep", "600"], detach=True, labels=labels, network_mode="none")
    client.containers.create(spec.image, ["sleep", "600"], labels=labels, network_mode="none")
    await guard.dismiss(clean=False)
    client.containers.create(spec.image, ["sleep", "600"], labels=labels, network_mode="none")
    await anyio.to_thread.run_sync(book.until_empty, 15)
    await anyio.to_thread.run_sync(os.waitpid, guard.pid, 0)


async def test_an_orderly_end_needs_no_reaper(spec: Docker, docker_host: str) -> None:
    """A backend that is closed takes its reaper with it."""
    async with await open_docker(spec) as backend:
        pid = backend._guard.pid
        assert Path(f"/proc/{pid}").exists()  # noqa: ASYNC240 - a file of the kernel's
    assert not Path(f"/proc/{pid}").exists()  # noqa: ASYNC240


async def test_what_was_left_is_swept(spec: Docker, client: DockerClient, docker_host: str) -> None:
    """Opening a backend removes what engines that are no more have left, and nothing else."""
    us = this_process()
    dead = {**us.labels(a_request("dead")), OWNER: "nobody", PROCESS: "4194303:1"}
    alive = {**us.labels(a_request("alive")), OWNER: "somebody"}
    gone = client.containers.run(spec.image, ["sleep", "600"], detach=True, labels=dead, network_mode="none")
    kept = client.containers.run(spec.image, ["sleep", "600"], detach=True, labels=alive, network_mode="none")
    stranger = client.containers.create(spec.image, ["sleep", "600"], network_mode="none")
    try:
        async with await open_docker(spec):
            there = {found.id for found in client.containers.list(all=True, ignore_removed=True)}
        assert gone.id not in there
        assert {kept.id, stranger.id} <= there
    finally:
        kept.remove(force=True)
        stranger.remove(force=True)


def test_who_is_responsible(anyio_backend: object) -> None:
    """Abandoned is whose process is gone or whose machine was restarted; elsewhere, whose time is over."""
    us = this_process("a-run", 2)
    labels = us.labels(a_request(seconds=60))
    assert abandoned(labels, us) == ""
    assert abandoned({**labels, PROCESS: "4194303:1"}, us) == "its engine is gone"
    assert abandoned({**labels, PROCESS: f"{os.getpid()}:1"}, us) == "its engine is gone"
    assert abandoned({**labels, BOOT: "another"}, us) == "the machine was started anew"
    elsewhere = {**labels, HOST: "another", BOOT: "another", PROCESS: "1:1"}
    assert abandoned(elsewhere, us) == ""
    assert abandoned({**elsewhere, DEADLINE: f"{time.time() - 1000:.0f}"}, us) == "its time is over"


async def test_sandboxes_can_be_listed(backend: DockerBackend, docker_host: str) -> None:
    """What there is can be told with its run and rollout; what somebody is responsible for is not swept."""
    await backend.create(a_request("listed"))
    engine, us = Engine(find_engine()), this_process()
    try:
        (found,) = [found for found in await find(engine, us) if found.owner == backend.owner.id]
        assert (found.sandbox, found.rollout, found.abandoned) == ("listed", "rollout-listed", "")
        assert await sweep(engine, Owner(id="x", host=us.host, boot=us.boot, process=us.process)) == []
    finally:
        await engine.close()
