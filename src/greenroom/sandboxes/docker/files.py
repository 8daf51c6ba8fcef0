"""Files on their way in and out of a container, as the archives its engine wants and gives."""

from __future__ import annotations

import io
import posixpath
import tarfile
import time
from collections.abc import Iterable, Mapping

_FORMAT = tarfile.GNU_FORMAT


def pack(files: Mapping[str, bytes], *, owner: tuple[int, int], below: Iterable[str]) -> bytes:
    """An archive to be unpacked at ``/``.

    Args:
        files: Absolute path to content.
        owner: User and group of all of it.
        below: Directories that belong to ``owner``; those missing between them and a file will, too.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=_FORMAT) as archive:
        for directory in _parents(files, tuple(below)):
            archive.addfile(_entry(directory, owner, tarfile.DIRTYPE, 0o755))
        for path, content in files.items():
            entry = _entry(path, owner, tarfile.REGTYPE, 0o644)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpack(start: bytes, limit: int) -> bytes | None:
    """The first ``limit`` bytes of the one file whose archive begins like this; ``None`` if it is no regular file."""
    try:
        with tarfile.open(fileobj=io.BytesIO(start), mode="r:") as archive:
            entry = archive.next()
            if entry is None or not entry.isreg() or entry.issparse():
                return None
            return start[entry.offset_data : entry.offset_data + min(entry.size, limit)]
    except tarfile.TarError:
        return None


def _parents(files: Mapping[str, bytes], below: tuple[str, ...]) -> list[str]:
    found: dict[str, None] = {}
    for path in files:
        chain: list[str] = []
        parent = posixpath.dirname(path)
        while any(parent.startswith(f"{root.rstrip('/')}/") for root in below):
            chain.append(parent)
            parent = posixpath.dirname(parent)
        found.update(dict.fromkeys(reversed(chain)))
    return list(found)


def _entry(path: str, owner: tuple[int, int], kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type = kind
    entry.mode = mode
    entry.uid, entry.gid = owner
    entry.mtime = int(time.time())
    return entry
