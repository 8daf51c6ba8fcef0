"""An image out of what this machine has: busybox for a system and this interpreter for agents. No registry needed."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

NAME = "greenroom-test"
_LAYOUT = "5"
_SKIPPED = re.compile(
    r"(site-packages|test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data|__pycache__|config-.*)"
)


def image(client: DockerClient) -> str:
    """Name of the image, imported if it is not there yet."""
    key = hashlib.sha256(f"{_LAYOUT} {sys.base_prefix} {platform.python_version()}".encode()).hexdigest()[:16]
    name = f"{NAME}:{key}"
    try:
        client.images.get(name)
    except ImageNotFound:
        client.api.import_image_from_data(tree(), NAME, key, changes=["ENV PATH=/bin"])  # pyright: ignore[reportUnknownMemberType]
    return name


def tree() -> bytes:
    """The root file system, as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for directory, mode in (("tmp", 0o1777), ("etc", 0o755), ("root", 0o755)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        _add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        _add_busybox(archive)
        for path in sorted(set(_python())):
            archive.add(path, str(path).lstrip("/"), recursive=False, filter=_as_root)
        _link(archive, "bin/python3", os.path.realpath(f"{sys.base_prefix}/bin/python3"))
    return buffer.getvalue()


def _add_busybox(archive: tarfile.TarFile) -> None:
    busybox = shutil.which("busybox")
    assert busybox, "the tests' image needs busybox (Debian: busybox-static)"
    archive.add(os.path.realpath(busybox), "bin/busybox")
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout
    for applet in listed.split():
        if applet != "busybox":
            _link(archive, f"bin/{applet}", "busybox")


def _python() -> Iterator[Path]:
    base = Path(os.path.realpath(sys.base_prefix))
    program = Path(os.path.realpath(f"{sys.base_prefix}/bin/python3"))
    library = base / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [program, *_kept(library)]
    yield from found
    binaries = [path for path in found if path == program or path.suffix == ".so"]
    listed = subprocess.run(["ldd", *map(str, binaries)], check=False, capture_output=True, text=True).stdout
    for path in set(re.findall(r"(/\S+) \(0x", listed)):
        yield Path(path)


def _kept(library: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(library):
        names[:] = [name for name in names if not _SKIPPED.fullmatch(name)]
        yield from (Path(directory, file) for file in files if file.endswith((".py", ".so")))


def _link(archive: tarfile.TarFile, path: str, target: str) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry
