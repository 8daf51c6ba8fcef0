"""Making local sandboxes, many at a time, and leaving nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import structlog.testing

from greenroom.sandboxes import Exec, SandboxError, SandboxRequest
from greenroom.sandboxes.local import LocalBackend, open_local
from greenroom.specs import Local

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

MISSING = "/nonexistent/bwrap"


def request(id: str = "a", *, seconds: float = 60, prefix: str = "") -> SandboxRequest:
    """A request with this id."""
    return SandboxRequest(id=id, rollout_id="r", env={"A": "b"}, prefix=prefix, seconds=seconds)


def descriptors() -> int:
    """How many the engine holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


def contents(directory: Path) -> list[Path]:
    """What is in it."""
    return list(directory.iterdir())


def sandboxes(directory: Path) -> list[Path]:
    """The sandboxes' directories below it."""
    return list(directory.glob("**/sandboxes/*"))


async def test_fifty(backend: LocalBackend, tmp_path: Path) -> None:
    """Fifty sandboxes live side by side, each with files of its own; closing the backend leaves nothing of them."""
    outputs: dict[str, bytes] = {}

    async def live(id: str) -> None:
        sandbox = await backend.create(request(id))
        await sandbox.write({"name": id.encode()})
        outputs[id] = (await sandbox.exec(Exec(argv=("sh", "-c", "cat name; echo $A")), timeout=30)).output

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(live, str(number))
    assert outputs == {str(number): f"{number}b\n".encode() for number in range(50)}
    await backend.close()
    assert contents(tmp_path / "root") == []


async def test_descriptors(backend: LocalBackend) -> None:
    """Sandbox after sandbox, the engine's descriptors do not grow in number."""
    counts: set[int] = set()
    for number in range(8):
        sandbox = await backend.create(request(str(number)))
        await sandbox.start(Exec(argv=("sleep", "1000")))
        await sandbox.exec(Exec(argv=("true",)), timeout=10)
        await sandbox.close()
        counts.add(descriptors())
    assert len(counts) == 1


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003, 0.006, 0.009, 0.012, 0.016, 0.02, 0.025, 0.03])
async def test_cancelled_create(backend: LocalBackend, tmp_path: Path, delay: float) -> None:
    """A cancelled create leaves no directory, no descriptor and no process, whenever the cancellation comes."""
    before = descriptors()
    with anyio.move_on_after(delay):
        await (await backend.create(request())).close()
    assert sandboxes(tmp_path) == []
    assert descriptors() == before


@pytest.mark.needs("bwrap")
async def test_failed_create(tmp_path: Path) -> None:
    """When bubblewrap fails, the error carries its words, and nothing is left."""
    async with await open_local(Local(root=str(tmp_path))) as backend:
        before = descriptors()
        with pytest.raises(SandboxError, match="no-such-prefix") as caught:
            await backend.create(request(prefix="/no-such-prefix"))
        assert caught.value.kind == "boot_failed"
        assert descriptors() == before
        assert sandboxes(tmp_path) == []
        await backend.create(request())


async def test_ids(backend: LocalBackend) -> None:
    """An id that is taken, or is no file name, is refused, and the sandbox that has it is not harmed."""
    sandbox = await backend.create(request("a"))
    for id in ("a", "", "../a", "a/b", ".", "a\0"):
        with pytest.raises(SandboxError):
            await backend.create(request(id))
    assert (await sandbox.exec(Exec(argv=("true",)), timeout=10)).exit_code == 0
    await sandbox.close()
    await backend.create(request("a"))


async def test_closed_while_booting(backend: LocalBackend, tmp_path: Path) -> None:
    """Closing the backend ends sandboxes that are booting, and refuses new ones."""
    kinds: list[str] = []

    async def create(id: str) -> None:
        with pytest.raises(SandboxError) as caught:
            await backend.create(request(id))
        kinds.append(caught.value.kind)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(create, str(number))
        await anyio.lowlevel.checkpoint()  # all have begun, and none can have finished
        await backend.close()
        await create("late")
    assert kinds == ["backend_closed"] * 11
    assert contents(tmp_path / "root") == []


async def test_missing_bubblewrap(tmp_path: Path) -> None:
    """Without bubblewrap the error names what to install and what to set instead."""
    with pytest.raises(SandboxError, match=r"'bubblewrap'.*unsafe=True") as caught:
        await open_local(Local(root=str(tmp_path)), bubblewrap=MISSING)
    assert caught.value.kind == "bubblewrap_missing"


async def test_network_is_refused(tmp_path: Path) -> None:
    """The host's network needs ``unsafe``."""
    with pytest.raises(SandboxError, match="unsafe=True"):
        await open_local(Local(root=str(tmp_path), network=True))


async def test_plain_is_said(tmp_path: Path) -> None:
    """Plain processes are warned of once, and every sandbox says that it is not isolated."""
    with structlog.testing.capture_logs() as logs:
        async with await open_local(Local(root=str(tmp_path), unsafe=True), bubblewrap=MISSING) as backend:
            sandboxes = [await backend.create(request(id)) for id in "ab"]
    assert {sandbox.unsafe for sandbox in sandboxes} == {("no isolation: bubblewrap is missing",)}
    assert [sandbox.listener for sandbox in sandboxes] == [None, None]
    assert [(log["event"], log["log_level"]) for log in logs] == [("sandbox_unsafe", "warning")]


@pytest.mark.needs("bwrap")
async def test_bad_root() -> None:
    """A root that cannot be used is an error that names it."""
    with pytest.raises(SandboxError, match="null"):
        await open_local(Local(root="/dev/null"))


async def test_closed_under_cancellation(backend: LocalBackend, token: str, alive: Callable[[str], list[int]]) -> None:
    """Cancelling whoever closes does not keep a sandbox alive."""
    sandbox = await backend.create(request())
    await sandbox.start(Exec(argv=("sh", "-c", "exec sleep 1000", token)))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sandbox.close()
    assert alive(token) == []
    assert (await sandbox.lost()).kind == "sandbox_closed"
