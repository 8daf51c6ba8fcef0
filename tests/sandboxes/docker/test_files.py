"""Archives on their way in and out."""

from __future__ import annotations

import io
import tarfile

import pytest

from greenroom.sandboxes.docker.files import pack, unpack


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    """What is in it, by path."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {entry.name: entry for entry in opened}


def test_only_the_users_own_directories_are_made() -> None:
    """Parents below the user's directories come along with their owner; others are the engine's to make."""
    found = members(pack({"/home/a/b/f": b"x", "/tests/t/run.sh": b""}, owner=(7, 8), below=("/home", "/data")))
    assert list(found) == ["home/a", "home/a/b", "home/a/b/f", "tests/t/run.sh"]
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(7, 8)}
    assert found["home/a"].isdir()


@pytest.mark.parametrize("name", ["f", "x" * 300, "päth/ünïcode"])
def test_what_is_packed_is_unpacked(name: str) -> None:
    """Contents survive, whatever the name, and no more than asked for is given."""
    content = bytes(range(256)) * 10
    archive = pack({f"/{name}": content}, owner=(0, 0), below=())
    assert unpack(archive, 10_000) == content
    assert unpack(archive, 3) == content[:3]
    assert unpack(archive[:3000], 100) == content[:100]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE])
def test_only_regular_files_are_files(kind: bytes) -> None:
    """Links, directories and pipes are nothing to read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("it")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    assert unpack(buffer.getvalue(), 100) is None


@pytest.mark.parametrize("junk", [b"", b"\0" * 1024, b"not an archive at all" * 100])
def test_junk_is_no_file(junk: bytes) -> None:
    """What is no archive holds no file."""
    assert unpack(junk, 100) is None
