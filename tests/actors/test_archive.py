"""Archives come from sandboxes and are hostile."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors._archive import File, unpack

LIMIT = 1000


def archive(*members: tuple[str, bytes | None, bytes, int]) -> bytes:
    """A tar archive of members: name, content, type and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content, kind, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname = kind, mode, "/etc/passwd"
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def test_regular_files_come_out() -> None:
    """Names lose their leading dot, contents stay, and who may be run is known."""
    packed = archive(("./a/b", b"x", tarfile.REGTYPE, 0o644), ("./run", b"", tarfile.REGTYPE, 0o755))
    assert unpack(packed, LIMIT) == {"a/b": File(b"x", executable=False), "run": File(b"", executable=True)}
    assert unpack(b"", LIMIT) == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_nothing_else_does(kind: bytes) -> None:
    """Links, devices and pipes are left out."""
    assert unpack(archive(("./a", None, kind, 0o777)), LIMIT) == {}


@pytest.mark.parametrize("name", ["/etc/cron.d/x", "../x", "a/../../x", "."])
def test_names_stay_below_where_they_are_put(name: str) -> None:
    """A name that would lead anywhere else is left out."""
    assert unpack(archive((name, b"x", tarfile.REGTYPE, 0o644)), LIMIT) == {}


def test_there_is_a_limit() -> None:
    """More than may be taken is refused, and so is an archive that claims to hold more than it does."""
    packed = archive(("a", b"x" * 600, tarfile.REGTYPE, 0o644), ("b", b"x" * 600, tarfile.REGTYPE, 0o644))
    with pytest.raises(ValueError, match="more than may be taken"):
        unpack(packed, LIMIT)
    with pytest.raises(ValueError, match="not a tar archive"):
        unpack(packed[:700], LIMIT)


@given(st.binary(max_size=2048))
def test_any_bytes_are_files_or_an_error(content: bytes) -> None:
    """Whatever a sandbox sends, there are files with plain names or a `ValueError`."""
    with suppress(ValueError):
        assert all(not name.startswith(("/", "..")) for name in unpack(content, LIMIT))


@given(st.integers(0, 1023), st.binary(min_size=1, max_size=16))
def test_a_mangled_archive_is_files_or_an_error(at: int, garbage: bytes) -> None:
    """The same goes for an archive that was tampered with."""
    packed = bytearray(archive(("./a/b", b"x" * 100, tarfile.REGTYPE, 0o644)))
    packed[at : at + len(garbage)] = garbage
    with suppress(ValueError):
        assert sum(len(file.content) for file in unpack(bytes(packed), LIMIT).values()) <= LIMIT
