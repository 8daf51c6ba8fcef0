"""Images: built, made ready, given an agent; each of them once."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from docker import DockerClient

from greenroom.sandboxes import SandboxError, SandboxRequest
from greenroom.sandboxes.docker import DockerBackend, open_docker
from greenroom.specs import Docker
from greenroom.specs.environment import Environment
from tests.sandboxes.docker.conftest import a_request
from tests.sandboxes.docker.test_isolation import said
from tests.sandboxes.docker.test_sandbox import sh

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


@pytest.fixture
def recipe(spec: Docker, tmp_path: Path) -> Path:
    """A directory with a Dockerfile."""
    directory = tmp_path / "context"
    directory.mkdir()
    (directory / "Dockerfile").write_text(f"FROM {spec.image}\nCOPY word /word\nRUN cat /word > /built\n")
    (directory / "word").write_text("first\n")
    return directory


async def test_a_dockerfile_is_built_once_for_the_same_content(docker_host: str, recipe: Path) -> None:
    """Sandboxes are made of what the Dockerfile says; it is built again only when its directory changes."""
    lines: list[str] = []
    given = Docker(dockerfile=str(recipe), memory="256m")
    first, second = f"{uuid4()}\n", f"{uuid4()}\n"
    for word, builds in ((first, 1), (first, 1), (second, 2)):
        (recipe / "word").write_text(word)
        async with await open_docker(given, progress=lines.append) as backend:
            assert await said(await backend.create(a_request()), "cat /built") == word
        assert len([line for line in lines if line.startswith("building ")]) == builds


async def test_a_dockerfile_that_fails(docker_host: str, recipe: Path) -> None:
    """A build that fails is a reason of its own, with the end of what the builder printed."""
    with (recipe / "Dockerfile").open("a") as file:
        file.write("RUN echo this goes wrong && false\n")
    with pytest.raises(SandboxError) as caught:
        await open_docker(Docker(dockerfile=str(recipe / "Dockerfile")))
    assert caught.value.kind == "image_failed"
    assert "this goes wrong" in caught.value.detail


async def test_a_user_has_a_name_and_a_home(spec: Docker, docker_host: str) -> None:
    """Whatever the image holds, the programs' user has a name, and directories of its own."""
    given = Docker(image=spec.image, user="4711:815", home="/home/me", workdir="/deep/down/work")
    async with await open_docker(given) as backend:
        sandbox = await backend.create(a_request())
        assert await said(sandbox, "whoami; pwd; echo $HOME; touch x ~/y && echo fine") == (
            "agent\n/deep/down/work\n/home/me\nfine\n"
        )
        assert "root:x:0:0" in await said(sandbox, "cat /etc/passwd")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An installed agent, in a directory that only its owner may enter."""
    program = tmp_path / "agent-0123456789abcdef" / "bin" / "hello"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    tmp_path.chmod(0o700)
    return program.parent.parent


async def test_an_agent_is_part_of_the_image(backend: DockerBackend, prefix: Path) -> None:
    """An installed agent is there at the same path, for everybody to use and nobody to change."""
    requests = [SandboxRequest(id=f"s{n}", rollout_id="r", prefix=str(prefix), seconds=60) for n in range(2)]
    first, second = [await backend.create(request) for request in requests]
    program = f"{prefix}/bin/hello"
    assert (await said(first, f"{program}; echo x > {program} || echo refused")).endswith("refused\n")
    assert (await second.exec(sh(program), timeout=20)).output == b"hello\n"


async def test_a_task_says_what_it_wants(spec: Docker, docker_host: str, recipe: Path) -> None:
    """A task's own image, limits, work directory and directories come before the spec's."""
    wanted = Environment(build=str(recipe), memory_mb=64, cpus=0.5, workdir="/w", directories=("/logs/verifier",))
    async with await open_docker(Docker(memory="256m")) as backend:
        sandbox = await backend.create(SandboxRequest(id="own", rollout_id="r", seconds=60, environment=wanted))
        text = await said(sandbox, "cat /built; pwd; touch /logs/verifier/x && echo fine")
        assert text == "first\n/w\nfine\n"
        limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"
        assert (await said(sandbox, limit)).strip() == str(64 << 20)
        with pytest.raises(SandboxError) as caught:
            await backend.create(a_request("imageless"))
        assert caught.value.kind == "image_missing"


async def test_an_image_that_failed_is_tried_again(docker_host: str, recipe: Path) -> None:
    """Whatever goes wrong while an image is made ready fails that sandbox, with the reason, and no later one."""
    failures = [KeyError("somebody's own progress bar")]

    def progress(_line: str) -> None:
        if failures:
            raise failures.pop()

    wanted = Environment(build=str(recipe))
    async with await open_docker(Docker(memory="256m"), progress=progress) as backend:
        with pytest.raises(SandboxError, match="somebody's own progress bar") as caught:
            await backend.create(SandboxRequest(id="first", rollout_id="r", seconds=60, environment=wanted))
        assert caught.value.kind == "image_failed"
        sandbox = await backend.create(SandboxRequest(id="second", rollout_id="r", seconds=60, environment=wanted))
        assert await said(sandbox, "cat /built") == "first\n"


async def test_nothing_but_images_stays(spec: Docker, docker_host: str, client: DockerClient) -> None:
    """Making an image ready leaves an image, and neither a container nor a volume."""
    before = len(client.containers.list(all=True)), len(client.volumes.list())
    async with await open_docker(Docker(image=spec.image, home="/home/another")):
        pass
    assert (len(client.containers.list(all=True)), len(client.volumes.list())) == before
