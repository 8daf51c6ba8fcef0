"""Peers at pinned versions, each in an environment of its own beside a copy of what the kernel needs.

An environment is made once and kept under ``.cache/bench``, named after everything in it. Each peer runs against the
kernel in one process there, on one interpreter: a newer one than this, if the peer asks for it and the machine has it.
What cannot be had is named with the reason and not measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec import Struct

_HERE = Path(__file__).parent
_CACHE = _HERE.parent / ".cache" / "bench"
_OURS = ("anyio", "msgspec")
_INSTALL_SECONDS = 300
_RUN_SECONDS = 120
_NODE = ("+S", "1:1", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-noshell")
"""One scheduler, as we have one thread, and no busy waiting, which would count as CPU time."""


class Missing(Exception):
    """Why a peer is not here."""


class Peer(Struct, frozen=True):
    """A framework from the package index."""

    name: str
    pin: str
    script: str
    python: tuple[int, int] = (3, 11)
    """The oldest it runs on."""


PEERS = (
    Peer("everything-is-an-actor", "0.1.6", "everything_is_an_actor.py", (3, 12)),
    Peer("pykka", "4.5.0", "pykka_.py"),
    Peer("xoscar", "0.12.2", "xoscar_.py"),
)


def measure(peer: Peer, *, quick: bool) -> tuple[dict[str, float], str]:
    """The peer's figures and what it ran on. Raises `Missing`."""
    python = environment(peer)
    paths = [str(_HERE), str(_HERE.parent / "src")]
    found = _run([str(python), str(_HERE / "peers" / peer.script), *_quick(quick)], PYTHONPATH=os.pathsep.join(paths))
    return found, f"{peer.pin}, Python {python.parent.parent.name.rpartition('-')[2]}"


def environment(peer: Peer) -> Path:
    """Its Python, installed if need be. Raises `Missing`."""
    base, number = interpreter(peer.python)
    pins = [f"{name}=={version(name)}" for name in _OURS]
    place = _CACHE / "-".join((peer.name, peer.pin, *(pin.replace("==", "-") for pin in pins), number))
    python = place / "bin" / "python"
    stamp = place / "complete"
    if not stamp.exists():
        shutil.rmtree(place, ignore_errors=True)
        _call([base, "-m", "venv", str(place)])
        _call([str(python), "-m", "pip", "install", "-q", f"{peer.name}=={peer.pin}", *pins])
        stamp.touch()
    return python


def interpreter(oldest: tuple[int, int]) -> tuple[str, str]:
    """A Python at least as new, this one if it is, and its number. Raises `Missing`."""
    if sys.version_info >= oldest:
        return sys.executable, _number(sys.executable)
    for path in _interpreters():
        try:
            number = _number(path)
        except Missing:
            continue  # a launcher for a Python that is not there
        if tuple(int(part) for part in number.split(".")[:2]) >= oldest:
            return path, number
    raise Missing(f"needs Python {oldest[0]}.{oldest[1]} or newer, which this machine does not have")


def _interpreters() -> list[str]:
    """Where newer ones may be: on the PATH, or where pyenv and uv put them."""
    named = [shutil.which(f"python3.{minor}") for minor in range(14, 10, -1)]
    home = Path.home()
    kept = [*home.glob(".pyenv/versions/3.*/bin/python3"), *home.glob(".local/share/uv/python/cpython-3.*/bin/python3")]
    return [*filter(None, named), *sorted(map(str, kept), reverse=True)]


def _number(path: str) -> str:
    return _call([path, "-c", "import platform, venv, ensurepip; print(platform.python_version())"]).strip()


def erlang(*, quick: bool) -> tuple[dict[str, float], str]:
    """Erlang/OTP's figures, by its own statistics, and its release. Raises `Missing`."""
    if not (shutil.which("erl") and shutil.which("erlc")):
        raise Missing("erl is not installed; on Debian: apt-get install erlang-base")
    with tempfile.TemporaryDirectory() as beams:
        _call(["erlc", "-o", beams, str(_HERE / "peers" / "otp_peer.erl")])
        scale, rounds = ("5", "2") if quick else ("10", "5")
        found = _run(["erl", *_NODE, "-pa", beams, "-run", "otp_peer", "main", scale, rounds])
    return found, f"OTP {found.pop('release'):.0f}"


def _quick(quick: bool) -> list[str]:  # noqa: FBT001
    return ["--quick"] if quick else []


def _run(argv: list[str], **more: str) -> dict[str, float]:
    lines = _call(argv, _RUN_SECONDS, **more).splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _call(argv: list[str], seconds: float = _INSTALL_SECONDS, **more: str) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **more},
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().splitlines()[-1:] or ["no output"]
        raise Missing(f"{Path(argv[0]).name} failed: {last[0]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from error
    return done.stdout
