from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.python_lock import pins, python_lock
from greenroom.specs import PythonRecipe

TEXT = """\
--index-url https://packages.example/simple
# what the agent is
My.Agent==1.2.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
from_source==1.0 ; python_version >= '3.11' \\
    --hash=sha256:cc
below[extra]==2.0+local --hash=sha256:dd
"""


def recipe(tmp_path: Path, *packages: str, sources: tuple[str, ...] = ()) -> PythonRecipe:
    """A recipe with that lock."""
    (tmp_path / "lock.txt").write_text(TEXT)
    return PythonRecipe(packages=packages, lock=str(tmp_path / "lock.txt"), sources=sources)


def test_every_pin_is_found_under_its_indexed_name() -> None:
    """Names are those of indexes, however they are written; comments and options are no pins."""
    found = [(pin.name, pin.version) for pin in pins(TEXT)]
    assert found == [("my-agent", "1.2.3"), ("from-source", "1.0"), ("below", "2.0+local")]


def test_what_has_to_be_built_comes_apart(tmp_path: Path) -> None:
    """Nothing of the lock is lost, and options stay with the wheels."""
    lock = python_lock(recipe(tmp_path, "my-agent==1.2.3", sources=("From.Source",)))
    assert lock.sources == "from_source==1.0 ; python_version >= '3.11' \\\n    --hash=sha256:cc\n"
    assert lock.wheels == TEXT.replace(lock.sources, "")
    assert python_lock(recipe(tmp_path, "my-agent==1.2.3")).wheels == TEXT


@pytest.mark.parametrize("package", ["my_agent==1.2.4", "other==1.2.3", "below==2.0"])
def test_a_lock_for_something_else_is_refused(package: str, tmp_path: Path) -> None:
    """A recipe that was changed without its lock is told so, with the file and the remedy."""
    with pytest.raises(InstallError, match=rf"lock\.txt, does not hold {package}; lock the recipe again"):
        python_lock(recipe(tmp_path, package))


@pytest.mark.parametrize("package", ["My_Agent==1.2.3", "below[extra,more]==2.0+local"])
def test_spelling_and_extras_make_no_difference(package: str, tmp_path: Path) -> None:
    """Locks hold plain names; what an extra brings is in them like all the rest."""
    assert python_lock(recipe(tmp_path, package)).wheels == TEXT
