"""The public names: few, importable, documented, and the same everywhere."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from greenroom.actors import decision, policy

ROOT = Path(__file__).resolve().parent.parent
FACES = {"greenroom": 15, "greenroom.kernel": 25}
"""Public modules, and how many names each may have."""


def public_names() -> list[tuple[str, str]]:
    """Return every public name with its module."""
    return [(face, name) for face in FACES for name in import_module(face).__all__]


def documentation() -> str:
    """Return the README and all pages."""
    return "\n".join(page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def mentions(text: str, name: str) -> bool:
    """Tell whether a text names a public name in code, alone or after a dot."""
    return re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", text) is not None


def has_docstring(value: object) -> bool:
    """Tell whether a class or function has a docstring of its own, not one it inherits."""
    return bool(inspect.cleandoc(vars(value).get("__doc__") or "")) if isinstance(value, type) else bool(value.__doc__)


@pytest.mark.parametrize(("face", "most"), FACES.items())
def test_a_face_has_few_names(face: str, most: int) -> None:
    """A public module has no more names than were promised, each of them once."""
    names = import_module(face).__all__
    assert 0 < len(names) <= most
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("face", "name"), public_names())
def test_a_public_name_can_be_imported(face: str, name: str) -> None:
    """Every public name is there, and belongs to greenroom."""
    value = getattr(import_module(face), name)
    assert value.__module__.startswith("greenroom.")


@pytest.mark.parametrize(("face", "name"), public_names())
def test_a_public_name_is_documented(face: str, name: str) -> None:
    """Every public name has a docstring of its own and is named in the documentation."""
    assert has_docstring(getattr(import_module(face), name))
    assert mentions(documentation(), name)


@pytest.mark.parametrize("face", FACES)
def test_a_face_lists_its_names(face: str) -> None:
    """`dir()` shows every public name, whether or not it has been used yet."""
    module = import_module(face)
    assert set(module.__all__) <= set(dir(module))


def test_kernel_hides_what_it_does_not_list() -> None:
    """Whatever class or function the kernel's module holds without an underscore is public."""
    assert set(open_names(import_module("greenroom.kernel"))) <= set(import_module("greenroom.kernel").__all__)


def open_names(module: ModuleType) -> list[str]:
    """Return the names of classes and functions that look public."""
    return [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and (inspect.isclass(value) or inspect.isfunction(value))
    ]


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public says so in the usual way."""
    with pytest.raises(AttributeError, match="'greenroom' has no attribute 'Manager'"):
        _ = import_module("greenroom").Manager


def test_the_documented_error_policy_is_the_one_in_force() -> None:
    """The page on outcomes prints the error policy that decides."""
    page = (ROOT / "docs" / "outcomes.md").read_text()
    assert policy.table() in page
    assert decision.rules() in page


# ------------------------------------------------------------------------------------- the tests' own eyes are open


def test_a_missing_mention_is_seen() -> None:
    """A name in prose, or as a part of another name, does not count as documented."""
    assert mentions("see `gr.Engine(agent)`", "Engine")
    assert not mentions("see the Engine and `Engines`", "Engine")


def test_an_inherited_docstring_is_seen() -> None:
    """A class that only inherits its docstring does not count as documented."""

    class Documented:
        """It is."""

    class Silent(Documented):
        pass

    assert has_docstring(Documented)
    assert not has_docstring(Silent)
