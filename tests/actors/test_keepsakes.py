from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.actors.keepsakes import COUNT_LIMIT, FILE_LIMIT, keepsakes
from greenroom.sandboxes.base import Exec, Sandbox, SandboxRequest
from greenroom.sandboxes.local.backend import open_local
from greenroom.specs import Local

pytestmark = [
    pytest.mark.needs("bwrap"),
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def kept(root: Path, script: str, *patterns: str) -> dict[str, bytes]:
    """What is kept of a sandbox in which a script has run."""
    async with await open_local(Local(root=str(root))) as backend:
        sandbox: Sandbox = await backend.create(SandboxRequest(id="s", rollout_id="r", seconds=60.0))
        ran = await sandbox.exec(Exec(argv=("/bin/sh", "-c", script), cwd=sandbox.home), timeout=20.0)
        assert ran.exit_code == 0, ran.output
        return await keepsakes(sandbox, patterns)


async def test_files_that_match_are_kept(tmp_path: Path) -> None:
    """Patterns reach into directories, whatever the names below hold; what does not match is left."""
    script = (
        "mkdir -p '.a/b c'; echo 1 > '.a/b c/x\n$(id).jsonl'; echo 2 > .a/y.jsonl; echo 3 > .a/z.txt; mkdir .a/d.jsonl"
    )
    found = await kept(tmp_path, script, ".a/*.jsonl", ".a/*/*.jsonl", "nothing/*")
    assert found == {".a/y.jsonl": b"2\n", ".a/b c/x\n$(id).jsonl": b"1\n"}


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    """Of large files the beginning, of many files the first ones."""
    script = "mkdir .a; head -c 3000000 /dev/zero > .a/0; for n in $(seq 100 199); do echo > .a/$n; done"
    found = await kept(tmp_path, script, ".a/*")
    assert (len(found[".a/0"]), len(found)) == (FILE_LIMIT, COUNT_LIMIT)


async def test_what_is_no_plain_file_is_left(tmp_path: Path) -> None:
    """Pipes, and links to what the sandbox does not have, hold nothing up and are not there."""
    assert await kept(tmp_path, "mkfifo .pipe; ln -s /nowhere .link; ln -s /proc/self/mem .mem", ".*") == {}
