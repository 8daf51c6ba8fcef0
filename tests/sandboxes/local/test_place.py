"""Directories of backends: private, locked, and swept when their engine is no more."""

from __future__ import annotations

import shutil
from pathlib import Path

from greenroom.sandboxes.local.place import Root


def test_private(tmp_path: Path) -> None:
    """What belongs to a sandbox is for nobody else's eyes."""
    root = Root(str(tmp_path))
    place = root.place("a")
    place.make()
    assert [Path(path).stat().st_mode & 0o777 for path in (root.path, place.home, place.workdir)] == [0o700] * 3
    root.remove()
    assert list(tmp_path.iterdir()) == []


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
