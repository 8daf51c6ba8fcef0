"""Locks, against registries that change under them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import install, prefix_status
from greenroom.specs import NpmRecipe, PythonRecipe, Recipe
from tests.sandboxes.registries import Registry, npm_archive, pin, source, wheel

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.needs("npm"),
    pytest.mark.timeout(180),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),  # what is tried is npm's work and pip's
]

BUILDER = """
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(os.path.join(directory, "made-1.0-py3-none-any.whl"), "w") as archive:
        archive.writestr("made.py", "VERSION = '1.0'")
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\\nName: made\\nVersion: 1.0\\n",
            "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            "RECORD": "",
        }.items():
            archive.writestr("made-1.0.dist-info/" + name, text)
    return "made-1.0-py3-none-any.whl"
"""
BROKEN = "raise ImportError('a release of a later day')"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the prefixes of one test go."""
    return tmp_path / "prefixes"


def npm_lock(path: Path, **packages: dict[str, Any]) -> str:
    """Write a lock whose first package is asked for."""
    (first, *_) = packages
    entries = {f"node_modules/{name}": {"version": "1.0.0", **entry} for name, entry in packages.items()}
    wanted = {"": {"dependencies": {first: "1.0.0"}}}
    path.write_text(json.dumps({"lockfileVersion": 3, "packages": wanted | entries}))
    return str(path)


def npm_agent(registry: Registry, tmp_path: Path) -> NpmRecipe:
    """An agent that needs ``below``, locked; and later there is a newer ``below``."""
    agent = registry.publish("agent", "1.0.0", dependencies={"below": "^1.0.0"})
    below = registry.publish("below", "1.0.0")
    lock = npm_lock(
        tmp_path / "lock.json",
        agent={"integrity": agent, "dependencies": {"below": "^1.0.0"}},
        below={"integrity": below},
    )
    registry.publish("below", "1.1.0")
    return NpmRecipe(packages=("agent@1.0.0",), lock=lock)


def python_agent(registry: Registry, tmp_path: Path) -> PythonRecipe:
    """The same, of Python packages."""
    agent = registry.upload("agent", wheel("agent", "1.0", requires=("below>=1.0",)))
    below = registry.upload("below", wheel("below", "1.0"))
    lock = tmp_path / "lock.txt"
    lock.write_text(pin("agent", "1.0", agent) + pin("below", "1.0", below))
    registry.upload("below", wheel("below", "2.0"))
    return PythonRecipe(packages=("agent==1.0",), lock=str(lock))


def left(root: Path) -> set[str]:
    """What is in the cache directory, by suffix: an empty one is a prefix."""
    return {path.suffix if "." in path.name else "" for path in root.iterdir()}


def installed(prefix: str) -> set[str]:
    """Names of the npm packages in a prefix."""
    return {path.name for path in Path(prefix, "node_modules").glob("[a-z]*")}


def npm_version(prefix: str, name: str) -> str:
    """Which version of a package was installed."""
    version: str = json.loads(Path(prefix, "node_modules", name, "package.json").read_text())["version"]
    return version


async def test_npm_installs_what_is_locked_on_any_day(registry: Registry, tmp_path: Path, root: Path) -> None:
    """A newer release below the top level changes nothing, where without a lock it would be installed."""
    recipe = npm_agent(registry, tmp_path)
    prefix = await install(recipe, root=root)
    assert [npm_version(prefix.path, name) for name in ("agent", "below")] == ["1.0.0", "1.0.0"]
    floating = await install(replace(recipe, lock=None), root=root)
    assert npm_version(floating.path, "below") == "1.1.0"


async def test_pip_installs_what_is_locked_on_any_day(registry: Registry, tmp_path: Path, root: Path) -> None:
    """The same of Python packages."""
    recipe = python_agent(registry, tmp_path)
    check = ("{prefix}/bin/python", "-c", "import below; assert below.VERSION == '1.0'")
    await install(recipe, root=root, check=check)
    with pytest.raises(InstallError, match="AssertionError"):
        await install(replace(recipe, lock=None), root=root, check=check)


async def test_another_lock_is_another_prefix(registry: Registry, tmp_path: Path, root: Path) -> None:
    """What a lock says is part of the prefix's address, and where it lies is not."""
    recipe = npm_agent(registry, tmp_path)
    first = prefix_status(recipe, root=root).path
    moved = tmp_path / "moved.json"
    moved.write_text((tmp_path / "lock.json").read_text())
    assert prefix_status(replace(recipe, lock=str(moved)), root=root).path == first
    moved.write_text(moved.read_text() + "\n")
    assert prefix_status(replace(recipe, lock=str(moved)), root=root).path != first


async def test_npm_names_a_version_that_has_vanished(registry: Registry, tmp_path: Path, root: Path) -> None:
    """What the registry has no more is named, with what can be done; asking again would not help."""
    recipe = npm_agent(registry, tmp_path)
    del registry.npm["below"]["1.0.0"]
    said: list[str] = []
    with pytest.raises(InstallError, match=r"has no below@1\.0\.0 any more.*make lock-agents") as caught:
        await install(recipe, root=root, progress=said.append)
    assert (caught.value.kind, len(said), left(root)) == ("install_gone", 1, {".lock", ".log"})
    del registry.npm["below"]
    with pytest.raises(InstallError, match=r"has no below(@1\.0\.0)? any more"):
        await install(replace(recipe, packages=("agent@1.0.0",)), root=tmp_path / "other")


async def test_pip_names_a_version_that_has_vanished(registry: Registry, tmp_path: Path, root: Path) -> None:
    """The same of Python packages, with the Python it was looked for."""
    recipe = python_agent(registry, tmp_path)
    del registry.wheels["below"]["below-1.0-py3-none-any.whl"]
    said: list[str] = []
    with pytest.raises(InstallError, match=r"has no below==1\.0 for Python 3\..* any more.*make lock-agents") as caught:
        await install(recipe, root=root, progress=said.append)
    assert (caught.value.kind, len(said), left(root)) == ("install_gone", 1, {".lock", ".log"})


@pytest.mark.parametrize("honest", [True, False], ids=["the index is as before", "the index agrees with them"])
async def test_npm_refuses_changed_bytes(registry: Registry, tmp_path: Path, root: Path, honest: bool) -> None:  # noqa: FBT001 - a case
    """Other bytes under the same version are an alarm: the package is named, nothing is kept, nothing tried again."""
    recipe = npm_agent(registry, tmp_path)
    forged = npm_archive("below", "1.0.0", description="forged")
    if honest:
        registry.served["below-1.0.0.tgz"] = forged
    else:
        registry.npm["below"]["1.0.0"] = (registry.npm["below"]["1.0.0"][0], forged)
    said: list[str] = []
    with pytest.raises(InstallError, match=r"^below@1\.0\.0 was refused and nothing was installed") as caught:
        await install(recipe, root=root, progress=said.append)
    assert (caught.value.kind, len(said), left(root)) == ("install_refused", 1, {".lock", ".log"})


async def test_pip_refuses_changed_bytes(registry: Registry, tmp_path: Path, root: Path) -> None:
    """The same of Python packages."""
    recipe = python_agent(registry, tmp_path)
    registry.served["below-1.0-py3-none-any.whl"] = wheel("below", "1.0", forged=BROKEN)[1]
    said: list[str] = []
    with pytest.raises(InstallError, match=r"^below==1\.0 was refused and nothing was installed") as caught:
        await install(recipe, root=root, progress=said.append)
    assert (caught.value.kind, len(said), left(root)) == ("install_refused", 1, {".lock", ".log"})


@pytest.mark.parametrize("agent", [npm_agent, python_agent])
async def test_a_registry_that_cannot_be_reached_is_said_to_be_so(
    agent: Callable[[Registry, Path], Recipe], registry: Registry, tmp_path: Path, root: Path
) -> None:
    """No answer is no vanished version: it is tried again, and the error says to look at the network."""
    recipe = agent(registry, tmp_path)
    registry.close()
    said: list[str] = []
    with pytest.raises(InstallError, match=r"^agent@?=*1\.0.*did not answer .*check the network") as caught:
        await install(recipe, root=root, progress=said.append, waits=(0.0,))
    assert (caught.value.kind, len(said), left(root)) == ("install_unreachable", 2, {".lock", ".log"})


async def test_npm_installs_without_a_network_from_a_full_cache(registry: Registry, tmp_path: Path, root: Path) -> None:
    """What npm has downloaded before is not asked for again."""
    recipe = npm_agent(registry, tmp_path)
    await install(recipe, root=root)
    asked = list(registry.asked)
    await install(recipe, root=tmp_path / "second")
    assert registry.asked == asked
    registry.close()
    prefix = await install(recipe, root=tmp_path / "third")
    assert npm_version(prefix.path, "below") == "1.0.0"


async def test_a_cache_from_before_the_release_is_no_obstacle(registry: Registry, tmp_path: Path, root: Path) -> None:
    """When npm's cache knows a package from a day before the locked version, the registry is asked."""
    before = NpmRecipe(
        packages=("below@1.0.0",),
        lock=npm_lock(tmp_path / "before.json", below={"integrity": registry.publish("below", "1.0.0")}),
    )
    await install(before, root=root)
    later = {"integrity": registry.publish("below", "2.0.0"), "version": "2.0.0"}
    recipe = NpmRecipe(packages=("below@2.0.0",), lock=npm_lock(tmp_path / "later.json", below=later))
    prefix = await install(recipe, root=root)
    assert npm_version(prefix.path, "below") == "2.0.0"


async def test_what_is_optional_is_installed_or_an_error(
    registry: Registry, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of optional dependencies npm leaves out in silence what fails; a prefix holds all that the lock says."""
    optional = {"native": "1.0.0", "elsewhere": "1.0.0"}
    lock = npm_lock(
        tmp_path / "lock.json",
        agent={"integrity": registry.publish("agent", "1.0.0"), "optionalDependencies": optional},
        native={"integrity": registry.publish("native", "1.0.0"), "optional": True, "os": ["linux"]},
        elsewhere={"integrity": "sha512-none", "optional": True, "os": ["plan9"]},
    )
    recipe = NpmRecipe(packages=("agent@1.0.0",), lock=lock)
    prefix = await install(recipe, root=root)
    assert installed(prefix.path) == {"agent", "native"}
    registry.served["native-1.0.0.tgz"] = b"something else"
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "empty"))
    with pytest.raises(InstallError, match=r"^native@1\.0\.0 was refused"):
        await install(replace(recipe, packages=("agent@1.0.0",)), root=tmp_path / "other")


async def test_a_source_is_built_with_the_back_end_of_the_lock(registry: Registry, tmp_path: Path, root: Path) -> None:
    """What is published as source alone is built by what is locked, not by the newest there is."""
    made = registry.upload("made", source("made", "1.0", backend="builder"))
    builder = registry.upload("builder", wheel("builder", "1.0", builder=BUILDER))
    registry.upload("builder", wheel("builder", "2.0", builder=BROKEN))
    lock = tmp_path / "lock.txt"
    lock.write_text(pin("made", "1.0", made) + pin("builder", "1.0", builder))
    recipe = PythonRecipe(packages=("made==1.0",), lock=str(lock), sources=("made",))
    await install(recipe, root=root, check=("{prefix}/bin/python", "-c", "import made"))


async def test_a_lock_that_does_not_fit_says_so_before_anything_is_downloaded(
    registry: Registry, tmp_path: Path, root: Path
) -> None:
    """A recipe with another version than its lock, and a lock that is not there, are told from a vanished package."""
    npm, python = npm_agent(registry, tmp_path), python_agent(registry, tmp_path)
    for recipe, problem in (
        (replace(npm, packages=("agent@2.0.0",)), r"does not hold agent@2\.0\.0"),
        (replace(npm, lock=python.lock), "is no package-lock.json"),
        (replace(python, packages=("agent==2.0",)), r"does not hold agent==2\.0"),
        (replace(python, lock=str(tmp_path / "absent.txt")), "cannot be read"),
    ):
        with pytest.raises(InstallError, match=problem) as caught:
            await install(recipe, root=root)
        assert (caught.value.kind, f", {recipe.lock}, " in str(caught.value)) == ("install_lock", True)
    assert "absent.txt" in str(prefix_status(replace(npm, lock=str(tmp_path / "absent.txt")), root=root).missing)
