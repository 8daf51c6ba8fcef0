"""What a sealed sandbox keeps its programs from."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

import anyio
import pytest

from greenroom.sandboxes import Exec, SandboxRequest
from greenroom.sandboxes.local import LocalBackend, open_local
from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import Local

pytestmark = [pytest.mark.anyio, pytest.mark.real_time, pytest.mark.needs("bwrap")]


@pytest.fixture
def mode() -> str:
    """Only sealed sandboxes promise this."""
    return "sealed"


async def run(sandbox: LocalSandbox, *argv: str) -> tuple[int, str]:
    """Exit code and output."""
    result = await sandbox.exec(Exec(argv=argv), timeout=20)
    return result.exit_code, result.output.decode()


async def test_nothing_weakens(sandbox: LocalSandbox) -> None:
    """A sealed sandbox has no weakness to report, and a user that is not root."""
    assert sandbox.unsafe == ()
    assert await run(sandbox, "id", "-u") == (0, "1000\n")
    assert (sandbox.home, sandbox.workdir) == ("/home/agent", "/workspace")


async def test_host_files(sandbox: LocalSandbox, tmp_path: Path) -> None:
    """No file of the host can be read, be it the engine's, a password or a private key."""
    (tmp_path / "secret").write_text("secret")
    for path in (
        tmp_path / "secret",
        Path(__file__),
        Path("/etc/shadow"),
        Path("/etc/ssl/private"),
        Path("/sys"),
        Path("/boot"),
    ):
        code, _ = await run(sandbox, "ls", str(path))
        assert code != 0, path


async def test_system_is_read_only(sandbox: LocalSandbox) -> None:
    """Nothing outside home, work directory and temporary files can be changed, not even what looks like the agent's."""
    for path in ("/usr/x", "/usr/bin/x", "/etc/x", "/x", "/dev/x", "/root/x", "/run/x"):
        assert (await run(sandbox, "sh", "-c", f"echo > {path}"))[0] != 0, path
    for path in ("/tmp/x", "/var/tmp/x", "/dev/shm/x", "/workspace/x", "/home/agent/x"):
        assert (await run(sandbox, "sh", "-c", f"echo > {path}"))[0] == 0, path


async def test_kernel_settings(sandbox: LocalSandbox) -> None:
    """No setting of the kernel can be changed, although to the kernel the user may be the host's root."""
    program = """
import os
for directory, _, files in os.walk("/proc/sys"):
    for file in files:
        try: print(os.open(os.path.join(directory, file), os.O_WRONLY), file)
        except OSError: pass
for path in ("/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj"):
    try: print(os.open(path, os.O_WRONLY), path)
    except OSError: pass
print("to /dev/stdout", file=open("/dev/stdout", "w"))
"""
    assert await run(sandbox, "python3", "-c", program) == (0, "to /dev/stdout\n")


async def test_network(sandbox: LocalSandbox) -> None:
    """A program reaches neither the host's loopback nor anything else; names do not resolve."""
    program = """
import socket, sys
for address in (("127.0.0.1", int(sys.argv[1])), ("192.0.2.1", 80), ("example.com", 80)):
    try: socket.create_connection(address, 5)
    except OSError: print("unreachable")
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, output = await run(sandbox, "python3", "-c", program, str(server.getsockname()[1]))
    assert output == "unreachable\n" * 3


async def test_listener(sandbox: LocalSandbox) -> None:
    """A request from inside arrives at the listener outside, and the answer inside."""
    program = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
    outputs: list[tuple[int, str]] = []

    async def request() -> None:
        outputs.append(await run(sandbox, "python3", "-c", program, f"{sandbox.base_url}/v1"))

    assert sandbox.listener is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        with anyio.fail_after(20):
            await anyio.wait_readable(sandbox.listener)
        connection, _ = sandbox.listener.accept()
        async with await anyio.abc.SocketStream.from_socket(connection) as stream:
            assert (await stream.receive()).startswith(b"GET /v1 ")
            await stream.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert outputs == [(0, "hello\n")]


async def test_listener_is_the_engines(sandbox: LocalSandbox) -> None:
    """When the engine closes the listener, nobody inside serves the port in its place unseen: it is just refused."""
    assert sandbox.listener is not None
    sandbox.listener.close()
    program = "import socket; socket.create_connection(('127.0.0.1', 8080), 5)"
    code, output = await run(sandbox, "python3", "-c", program)
    assert (code, "ConnectionRefusedError" in output) == (1, True)


async def test_two_sandboxes_are_strangers(backend: LocalBackend, sandbox: LocalSandbox, token: str) -> None:
    """Sandboxes see neither one another's processes nor files."""
    other = await backend.create(SandboxRequest(id="other", rollout_id="r", seconds=60))
    await other.write({token: b"", f"/tmp/{token}": b""})
    await other.start(Exec(argv=("sh", "-c", "exec sleep 1000", token)))
    _, output = await run(sandbox, "sh", "-c", "cat /proc/*/cmdline; ls -R /workspace /tmp /home")
    assert token not in output


async def test_keeper_is_out_of_reach(sandbox: LocalSandbox) -> None:
    """A program can neither trace the first process nor read its memory, files or environment, nor end it."""
    for path in ("mem", "environ", "fd/0", "maps"):
        assert (await run(sandbox, "cat", f"/proc/1/{path}"))[0] != 0, path
    ptrace = "import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))"
    assert await run(sandbox, "python3", "-c", ptrace) == (0, "-1\n")
    assert (await run(sandbox, "sh", "-c", "kill -KILL 1; kill -STOP 1; echo still here"))[1] == "still here\n"


async def test_no_privileges(sandbox: LocalSandbox) -> None:
    """A program has no capabilities, cannot gain any, and cannot make a user namespace to gain some there."""
    _, status = await run(sandbox, "cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert [fields[key].strip("0") for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")] == [""] * 4
    assert fields["NoNewPrivs"] == "1"
    unshare = "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))"
    assert await run(sandbox, "python3", "-c", unshare) == (0, "-1\n")


@pytest.mark.parametrize("below", ["/var/tmp", "/tmp", ""])
async def test_prefix(backend: LocalBackend, tmp_path: Path, below: str) -> None:
    """The agent's prefix is visible at its own path and read-only, also below the sandbox's own directories."""
    if below:
        tmp_path = Path(tempfile.mkdtemp(prefix="greenroom-test-", dir=below))
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    try:
        await check_prefix(backend, prefix)
    finally:
        shutil.rmtree(tmp_path)


async def check_prefix(backend: LocalBackend, prefix: Path) -> None:
    """The program in it runs, and nothing can be added."""
    (prefix / "tool").write_text("#!/bin/sh\necho tool\n")
    (prefix / "tool").chmod(0o755)
    sandbox = await backend.create(SandboxRequest(id="p", rollout_id="r", prefix=str(prefix), seconds=60))
    assert await run(sandbox, f"{prefix}/tool") == (0, "tool\n")
    assert (await run(sandbox, "touch", f"{prefix}/x"))[0] != 0


async def test_host_network(tmp_path: Path) -> None:
    """With the host's network, which is recorded as a weakness, programs reach the host's loopback."""
    spec = Local(root=str(tmp_path), unsafe=True, network=True)
    async with await open_local(spec) as backend:
        sandbox = await backend.create(SandboxRequest(id="n", rollout_id="r", seconds=60))
        assert (sandbox.unsafe, sandbox.listener, sandbox.base_url) == (("host network",), None, None)
        with socket.create_server(("127.0.0.1", 0)) as server:
            program = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
            code, output = await run(sandbox, "python3", "-c", program, str(server.getsockname()[1]))
        assert code == 0, output
