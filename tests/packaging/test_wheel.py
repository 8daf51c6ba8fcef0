"""What is in the wheel and the sdist."""

from __future__ import annotations

import email
import tarfile
import zipfile
from pathlib import Path

import pytest

import greenroom
from tests.packaging.conftest import Built
from tests.packaging.pythons import PROJECT

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.timeout(600)]


def test_the_wheel_has_the_package_and_nothing_else(built: Built, tree: Path) -> None:
    """Every file of the package is in it, `py.typed` and all data among them, and no test, bench or example."""
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {str(path.relative_to(tree / "src")) for path in (tree / "src").rglob("*") if path.is_file()}
    assert "greenroom/py.typed" in names


def test_the_sdist_has_the_whole_tree(built: Built, tree: Path) -> None:
    """Whoever builds from the sdist has what a clone has."""
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert names == {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()} | {"PKG-INFO"}


def test_the_same_wheel_comes_of_the_tree_and_of_the_sdist(built: Built) -> None:
    """It does not matter which of the two a wheel is built from, to the last byte."""
    assert built.wheel.read_bytes() == built.wheel_of_tree.read_bytes()


def test_the_metadata_is_ours(built: Built) -> None:
    """Version, Python and extras are those that the tree has; the licence and the readme are in it."""
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert metadata["Version"] == greenroom.__version__
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata.get_all("Provides-Extra") == list(PROJECT["optional-dependencies"])
    assert "greenroom runs coding agents in sandboxes" in str(metadata.get_payload())
