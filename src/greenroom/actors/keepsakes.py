"""Files that a dead agent left in its home and its spec wants kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from greenroom.sandboxes.base import Exec, Sandbox

FILE_LIMIT = 1024 * 1024
"""Bytes of one file that are kept."""
TOTAL_LIMIT = 4 * 1024 * 1024
"""Bytes of all files together."""
COUNT_LIMIT = 32
_NAMES_LIMIT = 64 * 1024
_SECONDS = 10.0
# The patterns are the spec's own and come as arguments; names that match are the agent's, and are only printed.
_LIST = (
    'cd "$1" || exit 0; shift; IFS=""; '
    'for pattern; do for name in $pattern; do [ -f "$name" ] && printf "%s\\0" "$name"; done; done; exit 0'
)


async def keepsakes(sandbox: Sandbox, patterns: Sequence[str]) -> dict[str, bytes]:
    """Files that match, by name relative to the home directory, the first that fit into the limits.

    Raises:
        SandboxError: The sandbox is lost.
    """
    if not patterns:
        return {}
    kept: dict[str, bytes] = {}
    left = TOTAL_LIMIT
    for name in (await _names(sandbox, patterns))[:COUNT_LIMIT]:
        try:
            kept[name] = await sandbox.read(f"{sandbox.home.rstrip('/')}/{name}", limit=min(left, FILE_LIMIT))
        except FileNotFoundError:
            continue
        left -= len(kept[name])
        if left <= 0:
            break
    return kept


async def _names(sandbox: Sandbox, patterns: Sequence[str]) -> list[str]:
    program = Exec(argv=("/bin/sh", "-c", _LIST, "sh", sandbox.home, *patterns), cwd=sandbox.home)
    found = await sandbox.exec(program, timeout=_SECONDS, limit=_NAMES_LIMIT)
    names = found.output.decode("utf-8", "replace").split("\0")[:-1]
    return [name for name in dict.fromkeys(names) if _is_below(name)]


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
