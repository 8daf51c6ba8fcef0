from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.sandboxes.prefix_path import prefix_path, prefix_root
from greenroom.specs import NpmRecipe, PythonRecipe

RECIPE = NpmRecipe(packages=("@scope/agent@1.2.3", "other@1.0.0"), node="24.19.0")


def test_the_path_names_the_package_and_its_content(tmp_path: Path) -> None:
    """A person sees what is in a prefix; equal recipes share one."""
    path = prefix_path(RECIPE, root=tmp_path)
    assert path.parent == tmp_path
    assert path.name.startswith("agent-")
    assert path == prefix_path(NpmRecipe(packages=RECIPE.packages, node="24.19.0"), root=tmp_path)
    assert prefix_path(PythonRecipe(packages=("tiny @ file:///x.whl",))).name.startswith("tiny-")


@pytest.mark.parametrize(
    "other",
    [
        NpmRecipe(packages=("@scope/agent@1.2.4", "other@1.0.0"), node="24.19.0"),
        NpmRecipe(packages=("@scope/agent@1.2.3",), node="24.19.0"),
        NpmRecipe(packages=RECIPE.packages, node="22.19.0"),
        NpmRecipe(packages=RECIPE.packages),
        PythonRecipe(packages=RECIPE.packages),
    ],
)
def test_another_recipe_is_another_path(other: NpmRecipe | PythonRecipe) -> None:
    """Whatever differs in the recipe makes another prefix."""
    assert prefix_path(other) != prefix_path(RECIPE)


def test_another_machine_is_another_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache shared between machines of two kinds holds a prefix for each."""
    here = prefix_path(RECIPE)
    monkeypatch.setattr("platform.machine", lambda: "aarch64-made-up")
    assert prefix_path(RECIPE) != here


def test_another_interpreter_is_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python environment links to the interpreter that made it; npm packages do not care."""
    python = PythonRecipe(packages=("x==1.0.0",))
    before = prefix_path(python), prefix_path(RECIPE)
    monkeypatch.setattr("sys.base_prefix", "/opt/another/python")
    assert prefix_path(python) != before[0]
    assert prefix_path(RECIPE) == before[1]


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"GREENROOM_CACHE": "/cache", "XDG_CACHE_HOME": "/xdg"}, "/cache/prefixes"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/greenroom/prefixes"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/greenroom/prefixes"),
        ({"HOME": "/home/me"}, "/home/me/.cache/greenroom/prefixes"),
    ],
)
def test_the_cache_is_where_the_machine_keeps_caches(
    environment: dict[str, str], root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`GREENROOM_CACHE` comes first, then the XDG cache directory, which must be absolute to count."""
    for name in ("GREENROOM_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert prefix_root() == Path(root)
