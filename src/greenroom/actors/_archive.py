"""Reads what a sandbox packed up. The archive is hostile: nothing in it is trusted, and nothing is unpacked to disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath

from msgspec import Struct


class File(Struct, frozen=True):
    """One regular file."""

    content: bytes
    executable: bool


def unpack(archive: bytes, limit: int) -> dict[str, File]:
    """The regular files in it with plain relative names; links, devices and everything else are left out.

    Args:
        archive: A tar archive, or nothing at all.
        limit: Bytes of all contents together.

    Raises:
        ValueError: It is no archive, or holds more.
    """
    if not archive:
        return {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            return _files(tar, limit)
    except (tarfile.TarError, EOFError, OverflowError) as error:
        raise ValueError(f"not a tar archive: {error}") from error


def _files(tar: tarfile.TarFile, limit: int) -> dict[str, File]:
    found: dict[str, File] = {}
    for member in tar:
        name = str(PurePosixPath(member.name))
        if not member.isreg() or member.issparse() or not _is_plain(name):
            continue
        limit -= member.size
        if limit < 0:
            raise ValueError("it holds more than may be taken")
        content = tar.extractfile(member)
        if content is not None:
            found[name] = File(content.read(), bool(member.mode & 0o111))
    return found


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name != "." and "\0" not in name
