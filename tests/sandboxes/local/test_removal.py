"""Removing hostile directory trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenroom.sandboxes.local.removal import remove_tree


def test_missing(tmp_path: Path) -> None:
    """What does not exist need not be removed."""
    remove_tree(str(tmp_path / "nothing"), 10)


def test_links(tmp_path: Path) -> None:
    """Links go; what they point to stays, be it a file, a directory or the tree itself."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, target in (("a", "../kept"), ("b", "../kept/file"), ("c", "."), ("d", "nothing"), ("e", "/")):
        (tree / name).symlink_to(target)
    remove_tree(str(tree), 10)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_deep(tmp_path: Path) -> None:
    """Depth beyond any path length, recursion limit or number of descriptors is no obstacle."""
    home = Path.cwd()
    (tmp_path / "tree").mkdir()
    os.chdir(tmp_path / "tree")
    try:
        for _ in range(2000):
            Path("d" * 100).mkdir()
            Path("f").touch()
            os.chdir("d" * 100)
    finally:
        os.chdir(home)
    remove_tree(str(tmp_path / "tree"), 60)
    assert list(tmp_path.iterdir()) == []


def test_wide(tmp_path: Path) -> None:
    """A directory with many entries and equal names on many levels is removed."""
    for number in range(300):
        (tmp_path / "tree" / "x" / str(number) / "x").mkdir(parents=True)
        (tmp_path / "tree" / str(number)).touch()
    remove_tree(str(tmp_path / "tree"), 60)
    assert list(tmp_path.iterdir()) == []


def test_time(tmp_path: Path) -> None:
    """A removal that takes too long is given up, and a later one finishes it."""
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    with pytest.raises(TimeoutError):
        remove_tree(str(tmp_path / "tree"), 0)
    remove_tree(str(tmp_path / "tree"), 10)
    assert list(tmp_path.iterdir()) == []
