"""What an agent left that is wanted: taken out of its sandbox once it is dead, and put into a verifier's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import anyio.to_thread
from msgspec import Struct

from greenroom.actors._archive import File, unpack
from greenroom.actors.uploads import clear, make_executable, write
from greenroom.sandboxes.base import Exec, Sandbox
from greenroom.specs import Artifact

LIMIT = 32 * 1024 * 1024
"""Bytes of all artifacts of an attempt together."""
_OVERHEAD = 4 * 1024 * 1024
_SECONDS = 120.0
_ITSELF = ""
_MISSING = 44
_FILE = 45
# A link in an artifact's place is not followed: what it leads to was not declared.
_PACK = (
    'path=$1; shift; [ -L "$path" ] && exit 44; '
    '[ -d "$path" ] && { cd -- "$path" && tar -cf - "$@" . 2>/dev/null; exit 0; }; '
    '[ -f "$path" ] || exit 44; '
    'case $path in */*) cd -- "${path%/*}/" || exit 44;; esac; tar -cf - -- "./${path##*/}" 2>/dev/null; exit 45'
)


class Taken(Struct, frozen=True):
    """One artifact. ``files`` are by name below it; the file that it is itself has the empty name."""

    artifact: Artifact
    files: dict[str, File]
    is_file: bool


class Refused(Exception):
    """What is there cannot be taken."""


async def take(sandbox: Sandbox, artifacts: Sequence[Artifact]) -> tuple[list[Taken], list[str]]:
    """Those that are there and can be taken; and why others cannot. What is not there is no error.

    Raises:
        SandboxError: The sandbox is lost.
    """
    taken: list[Taken] = []
    refused: list[str] = []
    left = LIMIT
    for artifact in artifacts:
        try:
            found = await _take(sandbox, artifact, left)
        except Refused as error:
            refused.append(str(error))
        else:
            if found is not None:
                taken.append(found)
                left -= sum(len(file.content) for file in found.files.values())
    return taken, refused


async def restore(sandbox: Sandbox, taken: Sequence[Taken]) -> None:
    """Put them where they came from. Raises `NotPut`, `SandboxError`."""
    for each in taken:
        if not each.is_file:
            await clear(sandbox, each.artifact.source)
        places = {_place(each, name): file for name, file in each.files.items()}
        await write(sandbox, {place: file.content for place, file in places.items()})
        await make_executable(sandbox, [place for place, file in places.items() if file.executable])


def kept(taken: Sequence[Taken]) -> dict[str, bytes]:
    """What is kept of them: by relative path, the first that claims one."""
    found: dict[str, bytes] = {}
    for each in taken:
        root = each.artifact.destination or each.artifact.source.lstrip("/")
        for name, file in each.files.items():
            found.setdefault(str(PurePosixPath(root, name)), file.content)
    return found


async def _take(sandbox: Sandbox, artifact: Artifact, limit: int) -> Taken | None:
    exclude = [f"--exclude={pattern}" for pattern in artifact.exclude]
    argv = ("/bin/sh", "-c", _PACK, "sh", artifact.source, *exclude)
    program = Exec(argv=argv, cwd=sandbox.workdir, user="root")
    result = await sandbox.exec(program, timeout=_SECONDS, limit=limit + _OVERHEAD)
    if result.exit_code == _MISSING:
        return None
    if result.timed_out or result.exit_code not in (0, _FILE):
        raise Refused(f"{artifact.source}: could not be packed up: exit code {result.exit_code}")
    if result.truncated:
        raise Refused(f"{artifact.source}: larger than {LIMIT >> 20} MiB, what all artifacts together may be")
    try:
        files = await anyio.to_thread.run_sync(unpack, result.output, limit)
    except ValueError as error:
        raise Refused(f"{artifact.source}: {error}") from error
    if result.exit_code != _FILE:
        return Taken(artifact, files, is_file=False)
    alone = next(iter(files.values()), None)
    return None if alone is None else Taken(artifact, {_ITSELF: alone}, is_file=True)


def _place(taken: Taken, name: str) -> str:
    return f"{taken.artifact.source}/{name}" if name else taken.artifact.source
