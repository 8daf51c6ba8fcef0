"""The command line that seals a keeper off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from greenroom.sandboxes.local.place import SEALED, Place, Root

MEMORY_FILES = 1 << 30
"""Bytes a sandbox may keep in each of its file systems in memory: /tmp and /dev/shm."""

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# No directory that holds private keys: what the engine's user may read, its sandboxes may.
_ETC = (
    "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
    "/etc/mime.types", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
)  # fmt: skip
_KEEPER = "/run/greenroom/keeper.pyc"
_VAR_TMP = "/var/tmp"  # noqa: S108 - the sandbox's own


class Bubblewrap(Struct, frozen=True):
    """A bubblewrap that is installed."""

    path: str
    version: tuple[int, ...]

    @classmethod
    def find(cls, path: str) -> Bubblewrap:
        """Ask it for its version, which takes milliseconds. Raises `OSError`, `subprocess.SubprocessError`."""
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        return cls(path, tuple(int(number) for number in re.findall(r"\d+", said)))

    def command(self, root: Root, place: Place, *, prefix: str, network: bool) -> list[str]:
        """Everything up to the program to be run."""
        argv = [self.path, "--die-with-parent", "--as-pid-1", "--new-session", "--unshare-all", "--unshare-user"]
        argv += ["--share-net"] if network else []
        argv += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL"]
        # A user namespace of its own would give a program all capabilities to attack the kernel with.
        argv += ["--disable-userns"] if self.version >= (0, 8) else []
        argv += self._file_systems()
        argv += _system() + _etc(root, network=network) + _python(root)
        argv += ["--bind", place.home, SEALED.home]
        for path, inside in place.binds.items():
            argv += ["--bind", path, _mount_point(inside)]
        argv += ["--ro-bind", prefix, _mount_point(prefix)] if prefix else []
        # Last: until then mount points are made in them. Nothing planted in /etc may meet the verifier. And to the
        # kernel the user is still the engine's: were that root, /proc/sys would let it change the host's settings.
        argv += ["--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/"]
        return [*argv, "--chdir", place.inside, "--"]

    def _file_systems(self) -> list[str]:
        size = ["--size", str(MEMORY_FILES)] if self.version >= (0, 7) else []
        argv = ["--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/dev/shm"]  # noqa: S108 - the sandbox's own
        return [*argv, *size, "--tmpfs", SEALED.tmp, "--symlink", SEALED.tmp, _VAR_TMP]


def python() -> str:
    """The interpreter we run on, without the virtual environment."""
    return os.path.realpath(sys.executable)


def keeper_command(program: str | None = None) -> list[str]:
    """How the keeper is run: isolated from environment and working directory, without site packages."""
    return [python(), "-I", "-S", program or _KEEPER]


def _python(root: Root) -> list[str]:
    base = os.path.realpath(sys.base_prefix)
    binds = [] if _is_system(base) else ["--ro-bind", base, _mount_point(base)]
    return [*binds, "--ro-bind", root.keeper, _KEEPER]


def _mount_point(path: str) -> str:
    """Where to mount what has to be found at ``path``: bubblewrap makes no directories behind a symbolic link."""
    if path == _VAR_TMP or path.startswith(f"{_VAR_TMP}/"):
        return SEALED.tmp + path.removeprefix(_VAR_TMP)
    return path


def _is_system(path: str) -> bool:
    return path == "/usr" or path.startswith("/usr/")


def _system() -> list[str]:
    argv = ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if Path(path).is_symlink():
            argv += ["--symlink", os.readlink(path), path]  # noqa: PTH115 - a Path would lose the slash of "usr/"
        elif Path(path).is_dir():
            argv += ["--ro-bind", path, path]
    return argv


def _etc(root: Root, *, network: bool) -> list[str]:
    argv: list[str] = []
    for path in (*_ETC, *(["/etc/resolv.conf"] if network else [])):
        argv += ["--ro-bind-try", path, path]
    for name, path in root.etc.items():
        argv += ["--ro-bind", path, f"/etc/{name}"]
    return argv
