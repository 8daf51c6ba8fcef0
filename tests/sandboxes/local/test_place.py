"""Directories of backends: private, locked, and swept when their engine is no more."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from greenroom.sandboxes.local.place import Root
from tests.engine.disks import small_disk


def test_private(tmp_path: Path) -> None:
    """What belongs to a sandbox is for nobody else's eyes."""
    root = Root(str(tmp_path))
    place = root.place("a")
    place.make()
    assert [Path(path).stat().st_mode & 0o777 for path in (root.path, place.home, place.workdir)] == [0o700] * 3
    root.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_was_removed_from_outside_is_named(tmp_path: Path) -> None:
    """A sandbox whose work directory, home or further directory is gone says which; one that is whole says nothing."""
    root = Root(str(tmp_path))
    place = root.place("a").wanted(None, ("/data",))
    place.make()
    assert place.trouble() == ""
    for directory in (place.home, *place.binds):
        Path(directory).rmdir()
        assert place.trouble() == f"{directory} was removed from outside"
        Path(directory).mkdir()
    root.remove()


@pytest.mark.long
@pytest.mark.needs("root")
@pytest.mark.parametrize("hog", ["bytes", "files"])
def test_a_full_disk_is_named(tmp_path: Path, hog: str) -> None:
    """A sandbox on a disk without space, or without room for another file, says so."""
    with small_disk(tmp_path / "disk", "1m,nr_inodes=40"):
        root = Root(str(tmp_path / "disk"))
        place = root.place("a")
        place.make()
        assert place.trouble() == ""
        with suppress(OSError):
            if hog == "bytes":
                Path(place.home, "hog").write_bytes(bytes(1 << 20))
            for number in range(40):
                Path(place.home, str(number)).touch()
        assert "no space is left" in place.trouble()
        root.remove()


def test_sweep(tmp_path: Path) -> None:
    """A sweep removes what an engine left that is no more; it spares a living engine's directory and all else."""
    living, sweeping = Root(str(tmp_path)), Root(str(tmp_path))
    shutil.copytree(living.path, tmp_path / "greenroom-local-dead")
    (tmp_path / "somebody-else").mkdir()
    (tmp_path / "greenroom-local-link").symlink_to("somebody-else")
    sweeping.sweep()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {Path(living.path).name, Path(sweeping.path).name, "somebody-else", "greenroom-local-link"}
    assert (Path(living.path) / "keeper.pyc").exists()
    living.remove()
    sweeping.remove()
