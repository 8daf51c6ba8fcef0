"""npm's lockfile: what of it is for this machine, so that nothing of it is left to npm's discretion."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from typing import Any, cast

from greenroom.sandboxes.lock_file import lock_error, read_lock
from greenroom.specs import NpmRecipe
from greenroom.specs.agents.machine import CPU

Entry = dict[str, Any]
"""What a lock says of one package."""


class NpmLock:
    """The lock of a recipe. Raises `InstallError` for what is no lockfile of npm's third version."""

    def __init__(self, recipe: NpmRecipe) -> None:
        self._recipe = recipe
        try:
            lock = json.loads(read_lock(recipe))
            self._packages = cast("dict[str, Entry]", lock["packages"])
            self._root = self._packages[""]
        except (ValueError, KeyError, TypeError) as error:
            raise lock_error(recipe, f"is no package-lock.json of version 3: {error!r}") from error

    def __contains__(self, package: str) -> bool:
        return f"node_modules/{package}" in self._packages

    def narrowed(self, dependencies: Mapping[str, str]) -> str:
        """The lockfile for ``dependencies`` on this machine, by name, with all they need and nothing else.

        npm leaves out in silence what is optional and cannot be had. Here that is settled beforehand: what is for
        another machine is gone, and everything else is needed, so that npm fails if it is missing or is not as locked.

        Raises:
            InstallError: The lock does not hold one of them at its version, or lacks something that is needed.
        """
        for name, version in dependencies.items():
            self._check(name, version)
        kept: dict[str, Entry] = {"": {"dependencies": dict(dependencies)}}
        unseen = [f"node_modules/{name}" for name in dependencies]
        while unseen:
            path = unseen.pop()
            if path not in kept:
                needs = dict(self._needs(path))
                kept[path] = _needing(self._packages[path], needs)
                unseen += needs.values()
        return json.dumps({"lockfileVersion": 3, "requires": True, "packages": dict(sorted(kept.items()))})

    def package(self, integrity: str) -> str | None:
        """Name and version of the package that these bytes are of."""
        for path, entry in self._packages.items():
            if integrity and entry.get("integrity") == integrity:
                return f"{path.rpartition('node_modules/')[2]}@{entry.get('version')}"
        return None

    def _check(self, name: str, version: str) -> None:
        entry = self._packages.get(f"node_modules/{name}")
        if entry is None or _called(name, entry) not in (f"{name}@{version}", version.removeprefix("npm:")):
            if entry is not None and version.startswith("file:"):
                entry["resolved"] = version
                return
            raise lock_error(self._recipe, f"does not hold {name}@{version} for this machine")

    def _needs(self, path: str) -> Iterator[tuple[str, str]]:
        """What a package needs on this machine: names, and where in the tree they are found."""
        entry = self._packages[path]
        if not (entry.get("integrity") or entry.get("inBundle")):
            raise lock_error(self._recipe, f"does not say what bytes {path} has")
        optional = entry.get("optionalDependencies", {})
        for name in (entry.get("dependencies", {}) | optional) | _required_peers(entry):
            found = self._found(path, name)
            if found is None and name in entry.get("dependencies", {}) and name not in optional:
                raise lock_error(self._recipe, f"lacks {name}, which {path} needs")
            if found is not None and (name not in optional or _is_for_us(self._packages[found])):
                yield name, found

    def _found(self, path: str, name: str) -> str | None:
        """Where node finds ``name`` from ``path``: in its own directory or in one above."""
        while True:
            candidate = f"{path}/node_modules/{name}" if path else f"node_modules/{name}"
            if candidate in self._packages:
                return candidate
            if not path:
                return None
            path = path.rpartition("node_modules/")[0].rstrip("/")


def _called(name: str, entry: Entry) -> str:
    return f"{entry.get('name', name)}@{entry.get('version')}"


def _required_peers(entry: Entry) -> dict[str, str]:
    meta = entry.get("peerDependenciesMeta", {})
    return {n: v for n, v in entry.get("peerDependencies", {}).items() if not meta.get(n, {}).get("optional")}


def _needing(entry: Entry, needs: Mapping[str, str]) -> Entry:
    """The entry with what was optional among its dependencies if it is needed, else without it."""
    optional: dict[str, str] = entry.get("optionalDependencies", {})
    plain = {name: version for name, version in entry.get("dependencies", {}).items() if name not in optional}
    chosen = {name: version for name, version in optional.items() if name in needs}
    left = {key: value for key, value in entry.items() if key not in ("optional", "optionalDependencies", "engines")}
    return left | {"dependencies": plain | chosen}


def _is_for_us(entry: Entry) -> bool:
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    ours = {"os": platform.system().lower(), "cpu": CPU, "libc": libc}
    return all(_matches(entry.get(key), value) for key, value in ours.items())


def _matches(wanted: str | list[str] | None, value: str) -> bool:
    """Whether npm's list of what a package is for, or, with a ``!``, is not for, permits this."""
    listed = [wanted] if isinstance(wanted, str) else wanted or []
    refused = [item[1:] for item in listed if item.startswith("!")]
    allowed = [item for item in listed if not item.startswith("!")]
    return value not in refused and (not allowed or value in allowed or "any" in allowed)
