"""What is left when the engine is killed, and engines without privileges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from greenroom.sandboxes.local import open_local

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

SOURCES = Path(open_local.__code__.co_filename).parents[3]
NOBODY = 65534

ENGINE = """
import sys, anyio, structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from greenroom.sandboxes import Exec, SandboxRequest
from greenroom.sandboxes.local import open_local
from greenroom.specs import Local

ESCAPE = '''
import os, sys, time
for depth in range(3):
    if os.fork() == 0:
        os.setsid()
        if depth: os.fork()
print(len(sys.argv), flush=True)
time.sleep(1000)
'''

async def main(backend, root, mode, token):
    spec = Local(root=root, unsafe=mode == "plain")
    async with await open_local(spec, bubblewrap=None if mode == "sealed" else "/nonexistent/bwrap") as backend:
        sandbox = await backend.create(SandboxRequest(id="s", rollout_id="r", seconds=60))
        await sandbox.exec(Exec(argv=("sh", "-c", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a")), timeout=20)
        if token:
            process = await sandbox.start(Exec(argv=("python3", "-c", ESCAPE, token)))
            received = b""
            async for chunk in process.output():
                received += chunk
                if received.count(b"2") >= 16:
                    break
            print("up", flush=True)
            await anyio.sleep(1000)
        result = await sandbox.exec(Exec(argv=("sh", "-c", "id -u; cat /etc/shadow")), timeout=20)
        print(result.exit_code, result.output.decode().split()[0], sandbox.listener is not None, flush=True)

anyio.run(main, *sys.argv[1:], backend=sys.argv[1])
"""


@contextmanager
def engine(backend: str, root: Path, mode: str, token: str, user: int | None) -> Generator[subprocess.Popen[bytes]]:
    """An engine in a process of its own."""
    paths = [str(SOURCES), *(path for path in sys.path if path.endswith("site-packages"))]
    process = subprocess.Popen(
        [interpreter(), "-c", ENGINE, backend, str(root), mode, token],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PYTHONPATH": ":".join(paths), "PATH": os.environ["PATH"]},
        cwd="/", user=user, group=user, extra_groups=None if user is None else [],
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def interpreter() -> str:
    """A Python of our version that any user may run."""
    path = Path(sys.executable).resolve()
    if all(parent.stat().st_mode & 0o005 == 0o005 for parent in path.parents):
        return str(path)
    return f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"


async def line(process: subprocess.Popen[bytes]) -> bytes:
    """The first line an engine prints."""
    assert process.stdout is not None
    with anyio.fail_after(30):
        await anyio.wait_readable(process.stdout)
    return os.read(process.stdout.fileno(), 1000)


def contents(directory: Path) -> list[Path]:
    """What is in it."""
    return list(directory.iterdir())


@pytest.mark.parametrize("user", [0, NOBODY])
async def test_killed_engine(
    anyio_backend_name: str, mode: str, token: str, alive: Callable[[str], list[int]], open_directory: Path, user: int
) -> None:
    """SIGKILL to the engine ends all processes of its sandboxes, and the next engine removes their files."""
    with engine(anyio_backend_name, open_directory, mode, token, as_user(user)) as process:
        assert await line(process) == b"up\n"
        pids = [pid for pid in alive(token) + alive("keeper.pyc") if pid != process.pid and below(pid, process.pid)]
        assert len(pids) >= 17
        pidfds = [os.pidfd_open(pid) for pid in pids]
        process.send_signal(signal.SIGKILL)
        try:
            with anyio.fail_after(20):
                for pidfd in pidfds:
                    await anyio.wait_readable(pidfd)
        finally:
            for pidfd in pidfds:
                os.close(pidfd)
    assert len(contents(open_directory)) == 1
    with engine(anyio_backend_name, open_directory, mode, "", as_user(user)) as process:
        await line(process)
        process.wait(20)
    assert contents(open_directory) == []


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory any user can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o777)
        yield Path(path)


@pytest.mark.needs("bwrap")
async def test_unprivileged_engine(anyio_backend_name: str, open_directory: Path) -> None:
    """An engine without any privilege seals its sandboxes, hands the listener out and removes hostile trees."""
    with engine(anyio_backend_name, open_directory, "sealed", "", as_user(NOBODY)) as process:
        assert await line(process) == b"1 1000 True\n"
        assert process.wait(20) == 0
    assert contents(open_directory) == []


def as_user(user: int) -> int | None:
    """Whom to become; who is not root runs without privileges already."""
    return user if os.geteuid() == 0 and user else None


def below(pid: int, ancestor: int) -> bool:
    """Whether one process descends from another."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False
