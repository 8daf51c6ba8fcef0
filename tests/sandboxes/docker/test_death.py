"""Every way a container can end or not begin, each with a reason of its own."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from docker import DockerClient

from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.docker import DockerBackend, keeper, open_docker
from greenroom.sandboxes.docker.sandbox import DockerSandbox
from greenroom.specs import Docker
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.test_sandbox import sh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def reason(sandbox: DockerSandbox) -> str:
    """Why it died."""
    with anyio.fail_after(30):
        return (await sandbox.lost()).kind


def keepers(sandbox: DockerSandbox, client: DockerClient) -> list[int]:
    """Process ids, on this machine, of its first processes."""
    rows = client.containers.get(sandbox.container).top()["Processes"]
    return [int(row[1]) for row in rows if "read -t" not in row[-1] or "init" in row[-1]]


async def test_its_time_is_over(backend: DockerBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container nobody ends does so itself when its time is over."""
    monkeypatch.setattr(keeper, "GRACE_SECONDS", 1)
    sandbox = await backend.create(a_request(seconds=0.5))
    assert await reason(sandbox) == "sandbox_expired"


async def test_a_silent_engine_is_given_up(backend: DockerBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without heartbeats a container ends itself, although the connection stands."""
    monkeypatch.setattr(keeper, "TOLERANCE_SECONDS", 2)
    sandbox = await backend.create(a_request())
    assert await reason(sandbox) == "sandbox_deserted"


async def test_heartbeats_keep_it_alive(backend: DockerBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With heartbeats a container outlives its tolerance."""
    monkeypatch.setattr(keeper, "TOLERANCE_SECONDS", 2)
    sandbox = await backend.create(a_request())
    running = await sandbox.start(sh("for i in 1 2 3 4; do sleep 1; echo; done"))
    async for _ in running.output():
        sandbox.beat()
    assert await running.wait() == 0


@pytest.mark.needs("root")  # who alone can have the kernel choose
async def test_the_first_program_is_out_of_memory(sandbox: DockerSandbox, client: DockerClient) -> None:
    """When the kernel chooses the keeper to die, the sandbox has run out of memory, and says so."""
    for pid in keepers(sandbox, client):
        await anyio.Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    # Many who eat a little each, so that none of them weighs as much as the keeper.
    eat = "for i in 1 2 3 4 5 6 7 8; do python3 -c 'x = b\"x\" * (50 << 20); import time; time.sleep(20)' & done; wait"
    with pytest.raises(SandboxError) as caught:
        await sandbox.exec(sh(eat), timeout=30)
    assert caught.value.kind == "sandbox_oom"


async def test_it_is_stopped_by_hand(sandbox: DockerSandbox, client: DockerClient) -> None:
    """``docker stop`` is told from a kill."""
    client.containers.get(sandbox.container).stop(timeout=1)
    assert await reason(sandbox) == "sandbox_stopped"


async def test_it_is_removed_by_hand(sandbox: DockerSandbox, client: DockerClient) -> None:
    """``docker rm -f`` is a death like any other, and closing what is gone is no error."""
    client.containers.get(sandbox.container).remove(force=True)
    assert await reason(sandbox) == "sandbox_killed"
    await sandbox.close()


async def test_no_image(docker_host: str) -> None:
    """An image that is not there, and may not be fetched, is a reason of its own."""
    with pytest.raises(SandboxError) as caught:
        await open_docker(Docker(image="greenroom-test:no-such-image", pull="never"))
    assert caught.value.kind == "image_missing"


async def test_an_image_is_lost_on_the_way(backend: DockerBackend, client: DockerClient) -> None:
    """An image that is removed while the backend runs fails one create; for the next it is made anew."""
    ready = await next(iter(backend.images._ready.values()))
    await backend.create(a_request("before"))
    client.images.remove(ready, force=True)
    with pytest.raises(SandboxError) as caught:
        await backend.create(a_request("after"))
    assert caught.value.kind == "image_missing"
    await backend.create(a_request("again"))


async def test_a_refused_create(docker_host: str, spec: Docker) -> None:
    """What the engine refuses is passed on in its own words."""
    async with await open_docker(Docker(image=spec.image, network="no-such-network")) as backend:
        with pytest.raises(SandboxError, match="no-such-network") as caught:
            await backend.create(a_request())
    assert caught.value.kind in ("create_refused", "start_refused")


async def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an engine, opening fails and says where it was looked for."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxError) as caught:
        await open_docker(Docker(image="any"))
    assert caught.value.kind == "daemon_lost"
    assert str(tmp_path) in f"{caught.value} {caught.value.detail}"


async def test_a_full_disk_is_the_programs_own_trouble(docker_host: str, spec: Docker) -> None:
    """Who fills what it may write to gets an error, loses nothing else, and can be cleaned up after."""
    given = Docker(image=spec.image, memory="128m", read_only=True)
    async with await open_docker(given) as backend:
        sandbox = await backend.create(a_request())
        full = await sandbox.exec(sh("dd if=/dev/zero of=fill bs=1M count=200"), timeout=30)
        assert full.exit_code != 0
        assert (await sandbox.exec(sh("rm -f fill && echo fine"), timeout=20)).output == b"fine\n"


async def test_a_cancelled_create_leaves_nothing(backend: DockerBackend) -> None:
    """However far a create has come when it is cancelled, the backend ends what it has made."""
    for number in range(8):
        with anyio.move_on_after(0.04 * number):
            await backend.create(a_request(f"s{number}"))
