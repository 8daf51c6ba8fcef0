"""Where local sandboxes live on disk: one private directory per backend, one below it per sandbox."""

from __future__ import annotations

import fcntl
import os
import py_compile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from greenroom.sandboxes.local import keeper
from greenroom.sandboxes.local.removal import remove_tree

_PREFIX = "greenroom-local-"
_SWEEP_SECONDS = 30.0
_LEAST_SPACE = 64 * 1024
"""Bytes with which a disk counts as full."""

_ETC = {
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Place(Struct, frozen=True):
    """The directories of one sandbox."""

    home: str
    workdir: str
    tmp: str
    """For temporary files; sealed programs have theirs in memory."""
    path: str = ""
    """What holds them all on the host."""
    inside: str = ""
    """Where sealed programs see the work directory."""
    directories: tuple[str, ...] = ()
    """Further ones, as sealed programs see them."""

    @classmethod
    def at(cls, path: str) -> Place:
        """The directories below this one."""
        home, workdir, tmp = (f"{path}/{name}" for name in ("home", "workspace", "temporary"))
        return cls(home=home, workdir=workdir, tmp=tmp, path=path, inside=SEALED.workdir)

    def wanted(self, workdir: str | None, directories: tuple[str, ...]) -> Place:
        """The same, as a task wants it to be seen."""
        inside = workdir or self.inside
        return replace(self, inside=inside, directories=tuple(path for path in directories if path != inside))

    @property
    def binds(self) -> dict[str, str]:
        """What sealed programs see of it, beside the home directory: path here to path there."""
        further = {f"{self.path}/directories/{number}": path for number, path in enumerate(self.directories)}
        # Parents first, or they would cover what is in them.
        return dict(sorted({self.workdir: self.inside, **further}.items(), key=lambda bind: bind[1]))

    def trouble(self) -> str:
        """What is wrong with them for which nothing in the sandbox can be to blame; empty if nothing is.

        Programs in a sealed sandbox cannot remove the directories it is made of. A full disk is this machine's trouble
        even if an agent filled it: every other sandbox suffers from it as well.
        """
        for directory in (self.home, *self.binds):
            if not Path(directory).is_dir():
                return f"{directory} was removed from outside"
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < _LEAST_SPACE or (disk.f_files and not disk.f_favail):
            return f"no space is left on the disk of {self.path}"
        return ""

    def make(self) -> None:
        """Make them. Raises `FileExistsError` when the place is taken."""
        for directory in (self.path, self.home, self.workdir, self.tmp):
            Path(directory).mkdir(0o700)
        for directory in self.binds.keys() - {self.workdir}:
            Path(directory).mkdir(0o700, parents=True)


SEALED = Place(home="/home/agent", workdir="/workspace", tmp="/tmp")  # noqa: S108 - private to the sandbox
"""As programs see them that are sealed off."""


class Root:
    """The directory of one backend. A lock on it tells that its engine lives; the kernel lifts it with the engine."""

    def __init__(self, parent: str | None) -> None:
        self._parent = parent or tempfile.gettempdir()
        Path(self._parent).mkdir(parents=True, exist_ok=True)
        self.path, self._lock = _locked_directory(self._parent)
        try:
            self._furnish()
        except BaseException:
            self.remove()
            raise

    @property
    def keeper(self) -> str:
        """The keeper's program, compiled."""
        return f"{self.path}/keeper.pyc"

    @property
    def etc(self) -> dict[str, str]:
        """Files made for ``/etc``: name there to path here."""
        return {name: f"{self.path}/etc/{name}" for name in _ETC}

    def place(self, name: str) -> Place:
        """The place of the sandbox of this name."""
        return Place.at(f"{self.path}/sandboxes/{name}")

    def sweep(self) -> None:
        """Remove what engines that are no more have left beside us."""
        with os.scandir(self._parent) as entries:
            found = [entry.path for entry in entries if entry.name.startswith(_PREFIX) and entry.path != self.path]
        for path in found:
            with suppress(OSError):  # another engine's, or another user's
                _remove_abandoned(path)

    def remove(self) -> None:
        """Remove all and let the lock go. Raises `OSError` when something cannot be removed."""
        try:
            remove_tree(self.path, _SWEEP_SECONDS)
        finally:
            os.close(self._lock)

    def _furnish(self) -> None:
        Path(self.path, "sandboxes").mkdir()
        Path(self.path, "etc").mkdir()
        for name, path in self.etc.items():
            Path(path).write_text(_ETC[name])
        py_compile.compile(keeper.__file__, cfile=self.keeper, doraise=True)


def _locked_directory(parent: str) -> tuple[str, int]:
    while True:
        path = tempfile.mkdtemp(prefix=_PREFIX, dir=os.path.realpath(parent))
        lock = _lock(path)
        # Another engine's sweep may have been quicker than the lock.
        if lock is not None and os.fstat(lock).st_nlink:
            return path, lock
        if lock is not None:
            os.close(lock)


def _lock(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def reap_places(paths: Iterable[str]) -> None:
    """Remove what dead engines have left of these sandboxes. Where somebody lives, nothing is touched.

    Raises:
        OSError: Something cannot be removed.
    """
    for root in {Path(path).parent.parent for path in paths}:
        if root.name.startswith(_PREFIX):
            _remove_abandoned(str(root))


def _remove_abandoned(path: str) -> None:
    lock = _lock(path)
    if lock is None:
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            # A killed engine's sandboxes die by themselves, but perhaps they have not finished doing so.
            keeper.end(lambda: _inhabitants(path))
            remove_tree(path, _SWEEP_SECONDS)
    finally:
        os.close(lock)


def _inhabitants(path: str) -> Iterator[int]:
    """Processes that run in a sandbox in this directory: sealed into it, or with their home there."""
    places = f"/{Path(path).name}/sandboxes/".encode()
    for pid in keeper.processes():
        with suppress(OSError):
            if places in _view(pid):
                yield pid


def _view(pid: int) -> bytes:
    mounts = f"/proc/{pid}/ns/mnt"
    sealed = os.readlink(mounts) != os.readlink("/proc/self/ns/mnt")  # noqa: PTH115 - it names nothing that is there
    return Path(f"/proc/{pid}/{'mountinfo' if sealed else 'environ'}").read_bytes()
