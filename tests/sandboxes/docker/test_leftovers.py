"""What another engine left is found by the name that was chosen before it was made."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from greenroom.sandboxes.docker import DockerBackend
from greenroom.sandboxes.leftovers import handle_of, reap
from tests.sandboxes.docker.conftest import a_request

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def test_a_container_is_reaped_by_its_handle(
    backend: DockerBackend, left: Callable[[DockerBackend], list[str]]
) -> None:
    """The handle is the container's name, known before it is made; reaped, it is gone, and others are not touched."""
    kind, handle = handle_of(backend, "left")
    doomed = await backend.create(a_request("left"))
    other = await backend.create(a_request("other"))
    assert (kind, handle in left(backend)) == ("docker", True)
    for _ in range(2):
        await reap(kind, [handle, "no-container-of-ours"])
    with anyio.fail_after(30):
        assert (await doomed.lost()).kind.startswith("sandbox_")
    assert left(backend) == [handle_of(backend, "other")[1]]
    await other.close()
