"""Directories of a task's choice, in sealed sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.sandboxes import Exec, SandboxError, SandboxRequest
from greenroom.sandboxes.local import LocalBackend
from greenroom.specs import Environment

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
WANTED = Environment(
    workdir="/app/src", directories=("/app", "/logs/verifier", "/tests", "/app/src/deep", "/var/tmp/deep")
)


def a_request(environment: Environment, id: str = "sandbox") -> SandboxRequest:
    """A sandbox of this kind."""
    return SandboxRequest(id=id, rollout_id="rollout", seconds=60, environment=environment)


@pytest.mark.parametrize("mode", ["sealed"], indirect=True)
@pytest.mark.needs("bwrap")
async def test_they_are_there_and_can_be_written(backend: LocalBackend, tmp_path: Path) -> None:
    """Work directory and directories lie where the task wants them, nested or not; nothing else can be written."""
    sandbox = await backend.create(a_request(WANTED))
    await sandbox.write({"relative": b"1", "/tests/test.sh": b"2", "/app/src/deep/x": b"3", "/app/y": b"4"})
    look = "pwd; cat relative /tests/test.sh /app/src/deep/x /app/y"
    script = f"{look}; touch /logs/verifier/r && echo; touch /else || echo no"
    result = await sandbox.exec(Exec(argv=("/bin/sh", "-c", script)), timeout=30)
    assert result.output.decode().splitlines()[:2] == ["/app/src", "1234"]
    assert result.output.endswith(b"no\n")
    assert await sandbox.read("/logs/verifier/r") == b""
    await sandbox.close()
    assert list((tmp_path / "root").glob("*/sandboxes/*")) == []


@pytest.mark.parametrize("mode", ["sealed"], indirect=True)
@pytest.mark.needs("bwrap")
async def test_each_sandbox_has_its_own(backend: LocalBackend) -> None:
    """What one sandbox writes there, no other sees."""
    first, second = await backend.create(a_request(WANTED)), await backend.create(a_request(WANTED, "other"))
    await first.write({"/tests/secret": b"x"})
    with pytest.raises(FileNotFoundError):
        await second.read("/tests/secret")


@pytest.mark.parametrize("mode", ["plain"], indirect=True)
async def test_without_a_seal_they_are_refused(backend: LocalBackend) -> None:
    """Plain processes see the machine's own directories, so a task that wants others is refused."""
    with pytest.raises(SandboxError, match="need bubblewrap"):
        await backend.create(a_request(WANTED))
    await (await backend.create(a_request(Environment(storage_mb=1)))).close()
