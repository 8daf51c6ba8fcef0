"""An image from a Dockerfile, by the engine's own builder; no more than once for the same content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.sandboxes.base import SandboxError

if TYPE_CHECKING:
    from docker import DockerClient


def build(client: DockerClient, dockerfile: str, repository: str, progress: Callable[[str], None]) -> str:
    """Id of the image.

    Args:
        client: Its engine builds.
        dockerfile: A Dockerfile, or the directory it is in, which is what the build can see.
        repository: What the image is called; its tag is a hash of all that the build can see.
        progress: Told what the builder prints.

    Raises:
        SandboxError: There is no such file, or the build fails.
        DockerException: The engine does not answer.
    """
    from greenroom.sandboxes.docker.images import image_id

    file = Path(dockerfile).expanduser().absolute()
    file = file / "Dockerfile" if file.is_dir() else file
    if not file.is_file():
        raise SandboxError("image_missing", f"there is no Dockerfile {dockerfile}")
    name = f"{repository}:{_hash(file)}"
    return image_id(client, name) or _build(client, file, name, progress)


def _build(client: DockerClient, file: Path, name: str, progress: Callable[[str], None]) -> str:
    from docker.errors import BuildError

    progress(f"building {file}")
    try:
        image, lines = client.images.build(
            path=str(file.parent), dockerfile=file.name, tag=name, rm=True, forcerm=True, pull=False
        )
    except BuildError as error:
        log = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise SandboxError("image_failed", f"{file}: {error.msg}", log[-4000:]) from error
    for line in lines:
        if isinstance(line, dict) and (text := str(line.get("stream", "")).strip()):
            progress(text)
    return str(image.id)


def _hash(file: Path) -> str:
    digest = hashlib.sha256(file.name.encode())
    for path, content in _context(file.parent):
        digest.update(f"\0{path}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()[:24]


def _context(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        name = f"{path.relative_to(directory)} {path.lstat().st_mode:o}"
        if path.is_symlink():
            yield name, str(path.readlink()).encode(errors="surrogateescape")
        elif path.is_file():
            yield name, path.read_bytes()
