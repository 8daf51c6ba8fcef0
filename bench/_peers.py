"""Peers at pinned versions, each in an environment of its own beside a copy of what the kernel needs.

An environment is made once from the peer's lock, which pins everything in it by hash, and kept under ``.cache/bench``.
A peer that needs a newer Python than this one gets it if the machine has it. A peer that cannot be installed is named
with the reason and not measured. ``peers/lock.py`` makes the locks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from _laps import Samples, progress

_HERE = Path(__file__).parent
_CACHE = _HERE.parent / ".cache" / "bench"
KERNEL = ("anyio", "msgspec")
"""What the kernel needs."""
_INSTALL_SECONDS = 1800
_RUN_SECONDS = 1800
_INSTALL = (
    "install",
    "-q",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
    "--only-binary",
    ":all:",
    "-r",
)


class Missing(Exception):
    """Why a peer is not here."""


class Peer(Struct, frozen=True):
    """A framework from the package index."""

    name: str
    pin: str
    script: str
    python: tuple[int, int] = (3, 11)
    """The oldest it runs on."""

    @property
    def lock(self) -> Path:
        """Pins of it and of everything below it."""
        return _HERE / "peers" / "locks" / f"{self.name}.txt"


ACTORS = (
    Peer("everything-is-an-actor", "0.1.6", "everything_is_an_actor.py", (3, 12)),
    Peer("pykka", "4.5.0", "pykka_.py"),
    Peer("xoscar", "0.12.2", "xoscar_.py"),
)
OPENENV = Peer("openenv", "0.10.0", "openenv_capture.py")
VERIFIERS = Peer("verifiers", "0.4.0", "verifiers_interception.py")
PEERS = (*ACTORS, OPENENV, VERIFIERS)


def measure(peer: Peer, *, quick: bool) -> tuple[Samples, str]:
    """The figures of a peer and of the kernel beside it, and what it ran on. Raises `Missing`."""
    python = environment(peer)
    found = _figures([str(python), str(_HERE / "peers" / peer.script)], quick=quick)
    return found, f"{peer.pin}, Python {python.parent.parent.name.rpartition('-')[2]}"


def environment(peer: Peer) -> Path:
    """Its Python, installed if need be. Raises `Missing`."""
    base, number = interpreter(peer.python)
    pins = hashlib.sha256(peer.lock.read_bytes()).hexdigest()[:12]
    place = _CACHE / f"{peer.name}-{peer.pin}-{pins}-{number}"
    python = place / "bin" / "python"
    stamp = place / "complete"
    if not stamp.exists():
        progress(f"installing {peer.name} {peer.pin}")
        shutil.rmtree(place, ignore_errors=True)
        _call([base, "-m", "venv", str(place)])
        _call([str(python), "-m", "pip", *_INSTALL, str(peer.lock)])
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


def erlang(*, quick: bool) -> tuple[Samples, str]:
    """The same for Erlang/OTP, and its release. Raises `Missing`."""
    if not (shutil.which("erl") and shutil.which("erlc")):
        raise Missing("erl is not installed; on Debian: apt-get install erlang-base")
    release = "io:put_chars(erlang:system_info(otp_release)), halt()."
    with tempfile.TemporaryDirectory() as beams:
        _call(["erlc", "-o", beams, str(_HERE / "peers" / "otp_peer.erl")])
        found = _figures([sys.executable, str(_HERE / "peers" / "erlang.py"), beams], quick=quick)
    return found, f"OTP {_call(['erl', '-noshell', '-eval', release])}"


def _figures(argv: list[str], *, quick: bool) -> Samples:
    paths = os.pathsep.join((str(_HERE), str(_HERE.parent / "src")))
    found: Samples = json.loads(_call([*argv, *(["--quick"] if quick else [])], _RUN_SECONDS, PYTHONPATH=paths))
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
