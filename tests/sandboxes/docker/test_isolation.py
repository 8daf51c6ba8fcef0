"""What a program in a container can do, and cannot: measured from inside, on a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from docker import DockerClient

from greenroom.sandboxes import Exec, SandboxError
from greenroom.sandboxes.docker import DockerBackend, doorway, open_docker
from greenroom.sandboxes.docker.sandbox import DockerSandbox
from greenroom.specs import Docker
from greenroom.specs.docker import KEEPER_UID
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.test_sandbox import sh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def said(sandbox: DockerSandbox, command: str) -> str:
    """What a shell command prints."""
    return (await sandbox.exec(sh(command), timeout=30)).output.decode()


async def test_programs_have_no_privileges(sandbox: DockerSandbox) -> None:
    """User 1000, not one capability, no way to new ones, filtered system calls."""
    status = await said(sandbox, "cat /proc/self/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["1000"] * 4
    assert {fields[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip()) == ("1", "2")
    assert sandbox.unsafe == ()


async def test_the_keeper_cannot_be_touched(sandbox: DockerSandbox) -> None:
    """The first processes are another user's: programs can neither end them nor look into them."""
    assert await said(sandbox, "ps -o pid,user | grep -c ' *1 .*[0-9]'") == "1\n"
    assert (await sandbox.exec(sh("for p in /proc/[0-9]*; do kill -9 ${p#/proc/}; done"), timeout=20)).exit_code != 0
    assert await said(sandbox, "cat /proc/1/fd/0 2>&1 | grep -c denied") == "1\n"
    assert f"Uid:\t{KEEPER_UID}" in await said(sandbox, "cat /proc/1/status")


async def test_limits_are_in_force(sandbox: DockerSandbox) -> None:
    """Memory, processes and processor time are those of the spec; core files are off."""
    limits = await said(
        sandbox,
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids/pids.max "
        "/sys/fs/cgroup/pids.max 2>/dev/null; ulimit -c",
    )
    assert limits.split() == [str(256 << 20), "128", "0"]


async def test_the_model_is_all_there_is(sandbox: DockerSandbox) -> None:
    """The network has a loopback device with our listener on it, and nothing else: no route, no neighbour."""
    assert sandbox.listener is not None
    assert (await said(sandbox, "ls /sys/class/net")).split() == ["lo"]
    assert "unreachable" in await said(sandbox, "nc -w 2 192.0.2.1 80 2>&1 </dev/null; ping -c1 192.0.2.1 2>&1")
    loop = asyncio.get_running_loop()
    running = await sandbox.start(sh("echo hello | nc 127.0.0.1 8080"))
    connection, _ = await loop.sock_accept(sandbox.listener)
    with connection:
        assert await loop.sock_recv(connection, 100) == b"hello\n"
    assert sandbox.base_url == "http://127.0.0.1:8080"
    await running.close()


async def test_a_read_only_sandbox_works_in_memory(spec: Docker, docker_host: str) -> None:
    """With a read-only root, work, home and /tmp are bounded memory, files still come and go, and all else is fixed."""
    given = Docker(image=spec.image, memory="128m", read_only=True, tmpfs={"/scratch": "1m"})
    async with await open_docker(given) as backend:
        sandbox = await backend.create(a_request())
        await sandbox.write({"a/b": b"content", "/tmp/x": b"y"})
        assert (await sandbox.read("a/b"), await sandbox.read("/tmp/x", limit=1)) == (b"content", b"y")
        with pytest.raises(FileNotFoundError):
            await sandbox.read("missing")
        assert (await sandbox.exec(sh("touch /etc/x || touch /x"), timeout=20)).exit_code != 0
        full = await sandbox.exec(sh("head -c 2000000 /dev/zero > /scratch/f; wc -c < /scratch/f"), timeout=20)
        assert full.output.splitlines()[-1] == str(1 << 20).encode()
        with pytest.raises(SandboxError) as caught:
            await sandbox.write({"/scratch/g": b"x" * 2_000_000})
        assert caught.value.kind == "write_failed"


async def test_a_programs_hunger_ends_the_program(sandbox: DockerSandbox) -> None:
    """Out of memory, the program is killed and its output says why; the sandbox and what comes after live on."""
    eat = Exec(argv=("python3", "-c", "x = bytearray(1 << 30); print(len(x))"))
    result = await sandbox.exec(eat, timeout=30)
    assert result.exit_code == 137
    assert b"ran out of memory" in result.output
    assert (await sandbox.exec(sh("echo fine"), timeout=20)).output == b"fine\n"


async def test_an_open_network_is_recorded(spec: Docker, docker_host: str) -> None:
    """A network is had by asking for it, is no secret, and takes nothing from the way to the model."""
    given = Docker(image=spec.image, network="bridge")
    async with await open_docker(given) as backend:
        sandbox = await backend.create(a_request())
        assert (await said(sandbox, "ls /sys/class/net")).split() == ["eth0", "lo"]
        assert sandbox.unsafe == ("open network (bridge)",)
        assert sandbox.listener is not None


async def test_what_was_accepted_is_recorded(
    spec: Docker, docker_host: str, left: Callable[[DockerBackend], list[str]]
) -> None:
    """With ``unsafe``, weaker sandboxes run, and each says what it lacks."""
    given = Docker(image=spec.image, user="0:0", volumes={"/etc": "/host-etc:ro"}, unsafe=True)
    async with await open_docker(given) as backend:
        sandbox = await backend.create(a_request())
        assert await said(sandbox, "id -u; test -e /host-etc/hostname && echo there") == "0\nthere\n"
        assert sandbox.unsafe == ("programs run as root", "host path /etc mounted")
        await sandbox.start(sh("sleep 100"))
        await sandbox.quiesce()  # not even root ends the keeper
        assert await said(sandbox, "echo fine") == "fine\n"
    assert left(backend) == []


async def test_a_volume_that_is_named_outlives_the_sandbox(spec: Docker, client: DockerClient) -> None:
    """A named volume is the user's: it is mounted and left alone; nothing anonymous stays."""
    volume = client.volumes.create("greenroom-test-volume")
    try:
        before = {found.name for found in client.volumes.list()}
        given = Docker(image=spec.image, volumes={"greenroom-test-volume": "/data"})
        async with await open_docker(given) as backend:
            sandbox = await backend.create(a_request())
            assert "/data" in await said(sandbox, "mount")
        assert {found.name for found in client.volumes.list()} == before
    finally:
        volume.remove(force=True)


async def test_without_root_the_way_is_opened_from_inside(
    spec: Docker, docker_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine of ours that is not root gets the same listener from a program inside, which leaves no trace."""
    monkeypatch.setattr(doorway, "needed", lambda: True)
    async with await open_docker(spec) as backend:
        sandbox = await backend.create(a_request())
        assert sandbox.listener is not None
        assert sandbox.base_url == "http://127.0.0.1:8080"
        running = await sandbox.start(sh("echo hello | nc 127.0.0.1 8080; test -e /run/greenroom/door; echo $?"))
        connection, _ = await asyncio.get_running_loop().sock_accept(sandbox.listener)
        with connection:
            assert await asyncio.get_running_loop().sock_recv(connection, 100) == b"hello\n"
        assert b"".join([chunk async for chunk in running.output()]) == b"1\n"
        assert (await said(sandbox, "ls /sys/class/net")).split() == ["lo"]


async def test_without_root_the_image_needs_python(
    spec: Docker, docker_host: str, client: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image in which no way can be opened is refused, with the reason, and nothing is left."""
    monkeypatch.setattr(doorway, "needed", lambda: True)
    monkeypatch.setattr(doorway, "_PROGRAM", "raise SystemExit('no python here')")
    async with await open_docker(spec) as backend:
        with pytest.raises(SandboxError, match="python3") as caught:
            await backend.create(a_request())
        assert (caught.value.kind, backend.live) == ("network_refused", {})
        assert "no python here" in caught.value.detail
