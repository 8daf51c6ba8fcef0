"""Events that never arrive: lost with the connection, or without anybody noticing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from docker import DockerClient

from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.docker import DockerBackend, open_docker
from greenroom.specs import Docker
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.proxy import Proxy
from tests.sandboxes.docker.test_sandbox import sh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture
async def proxy(docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """Between us and the engine."""
    if not docker_host.startswith("unix://"):
        pytest.skip("the engine is not on a socket")
    async with Proxy(tmp_path / "p", docker_host.removeprefix("unix://")) as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.url)
        yield proxy


@pytest.fixture
async def proxied(proxy: Proxy, spec: Docker) -> AsyncIterator[DockerBackend]:
    """A backend that sees what the proxy lets through."""
    async with await open_docker(spec) as backend:
        yield backend


async def test_an_exit_nobody_told_of(proxied: DockerBackend, proxy: Proxy) -> None:
    """A program whose exit event is lost has ended all the same: its output's end makes somebody ask."""
    sandbox = await proxied.create(a_request())
    proxy.deaf = True
    result = await sandbox.exec(sh("echo hi; exit 5"), timeout=20)
    assert (result.exit_code, result.output, result.timed_out) == (5, b"hi\n", False)


async def test_a_closed_output_is_no_exit(proxied: DockerBackend, proxy: Proxy) -> None:
    """A program that closes its output and works on is still running, even for those who ask."""
    sandbox = await proxied.create(a_request())
    result = await sandbox.exec(sh("exec >&- 2>&-; sleep 3; exit 6"), timeout=20)
    assert (result.exit_code, result.timed_out) == (6, False)
    assert result.seconds > 2.5


async def test_a_death_nobody_told_of(proxied: DockerBackend, proxy: Proxy, client: DockerClient) -> None:
    """A container whose death is lost is missed when its line goes dead."""
    sandbox = await proxied.create(a_request())
    running = await sandbox.start(sh("sleep 100"))
    proxy.deaf = True
    client.containers.get(sandbox.container).kill()
    with anyio.fail_after(20):
        assert (await sandbox.lost()).kind in ("sandbox_lost", "sandbox_killed")
        with pytest.raises(SandboxError):
            await running.wait()
        await sandbox.close()


async def test_a_broken_event_stream_is_made_good(proxied: DockerBackend, proxy: Proxy, client: DockerClient) -> None:
    """What happens while nobody listens is found by comparing, and what happens later is heard again."""
    first = await proxied.create(a_request("first"))
    second = await proxied.create(a_request("second"))
    running = await second.start(sh("read x; exit 3", stdin=b"go\n"))
    proxy.deaf = True
    client.containers.get(first.container).kill()
    proxy.cut_events()
    proxy.deaf = False
    with anyio.fail_after(20):
        assert (await first.lost()).kind in ("sandbox_lost", "sandbox_killed")
        assert await running.wait() == 3
        assert (await second.exec(sh("exit 4"), timeout=20)).exit_code == 4


async def test_programs_that_end_at_once_are_never_missed(proxied: DockerBackend) -> None:
    """Forty programs that end as they begin, eight at a time: every exit is heard of."""
    sandbox = await proxied.create(a_request())
    codes: list[int] = []

    async def some(first: int) -> None:
        codes.extend(
            [(await sandbox.exec(sh(f"exit {code}"), timeout=30)).exit_code for code in range(first, first + 5)]
        )

    async with anyio.create_task_group() as tasks:
        for first in range(0, 40, 5):
            tasks.start_soon(some, first)
    assert sorted(codes) == list(range(40))


async def test_labels_of_any_length(docker_host: str, spec: Docker, client: DockerClient, tmp_path: Path) -> None:
    """An event repeats the labels of its container's image, however long they are; it is heard all the same."""
    labels = "".join(f'LABEL words{number}="{"x" * 50_000}"\n' for number in range(6))
    (tmp_path / "Dockerfile").write_text(f"FROM {spec.image}\n{labels}")
    async with await open_docker(Docker(dockerfile=str(tmp_path))) as backend:
        sandbox = await backend.create(a_request())
        client.containers.get(sandbox.container).kill()
        with anyio.fail_after(20):
            assert (await sandbox.lost()).kind in ("sandbox_lost", "sandbox_killed")
            other = await backend.create(a_request("other"))
            assert (await other.exec(sh("exit 4"), timeout=20)).exit_code == 4
