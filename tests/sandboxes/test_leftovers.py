"""What a killed engine leaves is found by its handle and removed, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from greenroom.sandboxes.leftovers import handle_of, reap
from greenroom.sandboxes.local import open_local
from greenroom.sandboxes.simulated import SimulatedBackend
from greenroom.specs import Local, Simulated

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

ENGINE = """
import sys, anyio, structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from greenroom.sandboxes import Exec, SandboxRequest
from greenroom.sandboxes.leftovers import handle_of
from greenroom.sandboxes.local import open_local
from greenroom.specs import Local

async def main():
    spec = Local(root=sys.argv[1], unsafe=sys.argv[2] == "plain")
    async with await open_local(spec, bubblewrap=None if sys.argv[2] == "sealed" else "/nonexistent/bwrap") as backend:
        kind, handle = handle_of(backend, "s")
        sandbox = await backend.create(SandboxRequest(id="s", rollout_id="r", seconds=60))
        process = await sandbox.start(Exec(argv=("sh", "-c", "mkdir -p a/b; echo up; sleep 1000")))
        async for _ in process.output():
            print(kind, handle, flush=True)

anyio.run(main)
"""


@contextmanager
def engine(root: Path, mode: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """An engine with one sandbox in a process of its own, and that sandbox's handle."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", ENGINE, str(root), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            kind, handle = process.stdout.readline().split()
            assert kind == "local"
            yield process, handle
        finally:
            process.kill()


def programs(root: Path) -> list[int]:
    """Processes of sandboxes below the root that are not ours to end."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            what = (process / "mountinfo").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"/{root.name}/greenroom-local-".encode() in what:
            found.append(int(process.name))
    return found


def contents(path: str | Path) -> list[str]:
    """Names of what is there."""
    return [entry.name for entry in Path(path).iterdir()]


def children_of(pid: int) -> list[int]:
    """Its own ones."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("mode", [pytest.param("sealed", marks=pytest.mark.needs("bwrap")), "plain"])
async def test_what_a_killed_engine_left_is_reaped(tmp_path: Path, mode: str) -> None:
    """Reaped the moment after SIGKILL, its sandbox leaves neither a process nor a file; a second time is fine."""
    with engine(tmp_path, mode) as (process, handle):
        assert contents(f"{handle}/workspace") == ["a"]
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        for _ in range(2):
            await reap("local", [handle])
            assert contents(tmp_path) == []
        assert programs(tmp_path) == []


async def test_programs_that_nobody_keeps_are_reaped(tmp_path: Path) -> None:
    """Where sandboxes are plain processes and their keeper was killed as well, what they run is found and ended."""
    with engine(tmp_path, "plain") as (process, handle):
        keepers = children_of(process.pid)
        orphans = [os.pidfd_open(pid) for pid in programs(tmp_path) if pid not in keepers]
        assert orphans
        for pid in keepers:
            os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        await reap("local", [handle])
        try:
            with anyio.fail_after(20):
                for orphan in orphans:
                    await anyio.wait_readable(orphan)
        finally:
            for orphan in orphans:
                os.close(orphan)
    assert contents(tmp_path) == []


@pytest.mark.needs("bwrap")
async def test_the_living_are_left_alone(tmp_path: Path) -> None:
    """A handle of an engine that lives changes nothing, nor does one that is no sandbox's place."""
    own = tmp_path / "mine" / "sandboxes" / "s"
    own.mkdir(parents=True)
    with engine(tmp_path, "sealed") as (process, handle):
        await reap("local", [handle, str(own), "/nonexistent/greenroom-local-x/sandboxes/s"])
        assert contents(f"{handle}/workspace") == ["a"]
        assert process.poll() is None
    assert contents(own) == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.needs("bwrap")
async def test_a_handle_is_known_before_there_is_a_sandbox(tmp_path: Path) -> None:
    """Each backend names its sandboxes before they are made; of what dies with the process nothing is left."""
    async with await open_local(Local(root=str(tmp_path))) as backend:
        kind, handle = handle_of(backend, "r-1")
        assert (kind, Path(handle).name, Path(handle).parents[2]) == ("local", "r-1", tmp_path)
    assert handle_of(SimulatedBackend(Simulated()), "r-1") == ("simulated", "r-1")
    await reap("simulated", ["r-1"])
