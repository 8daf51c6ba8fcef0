"""Real sandboxes, sealed and plain, and a look at the host's processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from greenroom.sandboxes import SandboxRequest
from greenroom.sandboxes.local import LocalBackend, open_local
from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import Local

MISSING = "/nonexistent/bwrap"


@pytest.fixture(params=[pytest.param("sealed", marks=pytest.mark.needs("bwrap")), "plain"])
def mode(request: pytest.FixtureRequest) -> str:
    """With bubblewrap and as if there was none."""
    return str(request.param)


@pytest.fixture
async def backend(mode: str, tmp_path: Path) -> AsyncIterator[LocalBackend]:
    """An open backend below ``tmp_path``."""
    spec = Local(root=str(tmp_path / "root"), unsafe=mode == "plain")
    async with await open_local(spec, bubblewrap=None if mode == "sealed" else MISSING) as backend:
        yield backend


@pytest.fixture
async def sandbox(backend: LocalBackend) -> LocalSandbox:
    """A sandbox that just booted; the backend ends it."""
    return await backend.create(SandboxRequest(id="sandbox", rollout_id="rollout", seconds=60))


@pytest.fixture
def token() -> str:
    """A word to put into a command line, by which its process is found again."""
    return f"token-{uuid4().hex}"


@pytest.fixture
def alive() -> Callable[[str], list[int]]:
    """Processes of the host, those in namespaces included, with this word in their command lines. Zombies have none."""

    def find(token: str) -> list[int]:
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if token.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue  # it has just ended
        return found

    return find
