"""Files of this machine, and texts of the task, put into a sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio.to_thread

from greenroom.sandboxes.base import Exec, Sandbox, SandboxError
from greenroom.specs import Upload

_SECONDS = 60.0
_ROOT = "root"
# What is at the target may be the agent's work: a link in its place is removed, never followed.
_CLEAR = (
    'if [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then rm -f -- "$1"; fi; '
    'mkdir -p -- "$1" && cd -- "$1" && rm -rf -- ..?* .[!.]* *'
)
_EXECUTABLE = 'chmod +x -- "$@"'


class NotPut(Exception):
    """Files are not where they should be. ``mine``: because of this machine, not because of what is in the sandbox."""

    def __init__(self, message: str, detail: str = "", *, mine: bool = False) -> None:
        super().__init__(message)
        self.detail = detail
        self.mine = mine


async def put_texts(sandbox: Sandbox, files: Mapping[str, str]) -> None:
    """Write texts by their paths relative to the work directory. Raises `NotPut`, `SandboxError`."""
    if files:
        await write(sandbox, {path: text.encode() for path, text in files.items()})


async def put(sandbox: Sandbox, uploads: Sequence[Upload]) -> None:
    """Put files of this machine into the sandbox. Raises `NotPut`, `SandboxError`."""
    for upload in uploads:
        contents = await anyio.to_thread.run_sync(_read, upload)
        if upload.clear:
            await clear(sandbox, upload.target)
        await write(sandbox, {_inside(upload, name): content for name, content in contents.items()})
        await make_executable(sandbox, [_inside(upload, name) for name in upload.executable])


async def clear(sandbox: Sandbox, directory: str) -> None:
    """Leave an empty directory. Raises `NotPut`, `SandboxError`."""
    await _administer(sandbox, _CLEAR, directory)


async def make_executable(sandbox: Sandbox, paths: Sequence[str]) -> None:
    """Let programs be run. Raises `NotPut`, `SandboxError`."""
    if paths:
        await _administer(sandbox, _EXECUTABLE, *paths)


async def write(sandbox: Sandbox, files: Mapping[str, bytes]) -> None:
    """Write files. Raises `NotPut` where something is in their way, `SandboxError`."""
    try:
        await sandbox.write(files)
    except SandboxError as error:
        if error.kind != "write_failed":
            raise
        raise NotPut(str(error), error.detail) from error


async def _administer(sandbox: Sandbox, script: str, *arguments: str) -> None:
    program = Exec(argv=("/bin/sh", "-c", script, "sh", *arguments), cwd=sandbox.workdir, user=_ROOT)
    result = await sandbox.exec(program, timeout=_SECONDS)
    if result.exit_code != 0 or result.timed_out:
        what = f"cannot prepare {', '.join(arguments)[:200]} in the sandbox: exit code {result.exit_code}"
        raise NotPut(what, result.output.decode("utf-8", "replace"))


def _inside(upload: Upload, name: str) -> str:
    return name if upload.target == "." else f"{upload.target}/{name}"


def _read(upload: Upload) -> dict[str, bytes]:
    root = Path(upload.source)
    try:
        return {name: (root / name).read_bytes() for name in upload.files}
    except OSError as error:
        raise NotPut(f"cannot read {error.filename}: {error.strerror}", mine=True) from error
