"""What is added to an image so that sandboxes can be made of it: directories, a user's name, an installed agent."""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from greenroom.sandboxes.docker import configuration
from greenroom.specs import Docker

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABEL = "greenroom.image"
_LAYOUT = 2
"""Counted up whenever the same layer is laid out differently."""
_SMALL = 16 << 20


class Layer(Struct, frozen=True, kw_only=True):
    """One layer, declared."""

    home: str
    workdir: str
    user: int
    group: int
    prefix: str
    """Directory of this machine that is copied to the same place; empty for none."""
    directories: tuple[str, ...] = ()
    """More of them that belong to the user."""
    layout: int = _LAYOUT

    @classmethod
    def of(cls, spec: Docker, prefix: str, directories: tuple[str, ...] = ()) -> Layer:
        """The layer of a spec."""
        user, group = configuration.owner(spec)
        return cls(home=spec.home, workdir=spec.workdir, user=user, group=group, prefix=prefix, directories=directories)

    @property
    def recipe(self) -> str:
        """All that matters. Prefixes are named after their content."""
        return msgspec.json.encode(self).decode()

    def commit(self, client: DockerClient, base: str, repository: str, tag: str, labels: Mapping[str, str]) -> None:
        """Make the image. Raises `DockerException`, `OSError`."""
        container = client.containers.create(base, entrypoint=["/greenroom"], command=[], labels=dict(labels))
        try:
            with tempfile.SpooledTemporaryFile(_SMALL) as file:
                self._pack(cast("IO[bytes]", file), container)
                file.seek(0)
                container.put_archive("/", file)  # pyright: ignore[reportUnknownMemberType]
            change = f"LABEL {LABEL}={base}"
            container.commit(repository, tag, changes=change)  # pyright: ignore[reportUnknownMemberType]
        finally:
            container.remove(force=True, v=True)

    def _pack(self, file: IO[bytes], container: Container) -> None:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path in (self.home, self.workdir, *self.directories):
                archive.addfile(_directory(path, self.user, self.group))
            for path, line in self._names():
                _add(archive, path, _with_line(_read(container, path), line))
            if self.prefix:
                for parent in map(str, reversed(PurePosixPath(self.prefix).parents[:-1])):
                    # On this machine it may lie where only root comes, such as below /root.
                    archive.addfile(_directory(parent, 0, 0, (_mode(container, parent) or 0o755) | 0o011))
                archive.add(self.prefix, self.prefix.lstrip("/"), filter=_roots)

    def _names(self) -> tuple[tuple[str, str], ...]:
        # Programs ask who they are; some do not start without an answer.
        return (
            ("/etc/passwd", f"agent:x:{self.user}:{self.group}:agent:{self.home}:/bin/sh"),
            ("/etc/group", f"agent:x:{self.group}:"),
        )


def _with_line(text: str, line: str) -> bytes:
    """The table with one line more, unless its number has a name already."""
    taken = {entry.split(":")[2] for entry in text.splitlines() if entry.count(":") > 1}
    if line.split(":")[2] not in taken:
        text = f"{text.rstrip()}\n{line}\n".lstrip()
    return text.encode()


def _read(container: Container, path: str) -> str:
    from docker.errors import NotFound

    with suppress(NotFound, tarfile.TarError, KeyError):
        chunks, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(Path(path).name)
            if file is not None:
                return file.read().decode(errors="surrogateescape")
    return ""


def _mode(container: Container, path: str) -> int | None:
    """Permissions of a directory that is there."""
    from docker.errors import NotFound

    try:
        chunks, found = container.get_archive(path)
    except NotFound:
        return None
    cast("Generator[bytes]", chunks).close()
    return int(cast("dict[str, Any]", found)["mode"]) & 0o1777


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size = len(content)
    entry.mtime = int(time.time())
    archive.addfile(entry, io.BytesIO(content))


def _directory(path: str, user: int, group: int, mode: int = 0o755) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, user, group
    entry.mtime = int(time.time())
    return entry


def _roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
