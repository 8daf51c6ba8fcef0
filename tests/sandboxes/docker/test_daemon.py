"""The Docker engine itself ends, politely or not, and comes back: on an engine of the tests' own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing

import anyio
import anyio.to_thread
import pytest

from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.docker import open_docker
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.cold import cold_client
from greenroom.specs import Docker
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.daemon import Daemon
from tests.sandboxes.docker.test_sandbox import sh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.needs("root", "dockerd"),
    pytest.mark.timeout(180),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """An engine that may be killed."""
    with Daemon() as daemon:
        yield daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_the_engine_is_restarted(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Sandboxes are lost with a reason, new ones wait for the engine's return, and nothing old is left."""
    monkeypatch.setenv("DOCKER_HOST", daemon.url)
    spec = Docker(image=await anyio.to_thread.run_sync(daemon.image), memory="256m")
    async with await open_docker(spec) as backend:
        sandbox = await backend.create(a_request("old"))
        running = await sandbox.start(sh("trap '' TERM; while :; do sleep 1; done"))
        await anyio.to_thread.run_sync(daemon.end, number)
        with anyio.fail_after(30):
            lost = await sandbox.lost()
        assert lost.kind in ("daemon_lost", "sandbox_stopped", "sandbox_killed")
        with pytest.raises(SandboxError):
            await running.wait()
        with anyio.fail_after(90):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, daemon.start)
                fresh = await backend.create(a_request("new"))
            assert (await fresh.exec(sh("exit 3"), timeout=30)).exit_code == 3
            await sandbox.close()
    with closing(cold_client(find_engine(daemon.url))) as client:
        assert client.containers.list(all=True) == []
