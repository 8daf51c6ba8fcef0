"""An image for real agents: that of the other Docker tests, bash, and libraries that programs are often linked to."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from tests.sandboxes.docker import tree

_LIBRARIES = re.compile(
    r"^\s*(lib(?:rt|dl|pthread|m|stdc\+\+|gcc_s|atomic|tinfo)\.so\.\d+) .*x86-64.* => (\S+)$", re.MULTILINE
)


def image(client: DockerClient) -> str:
    """Name of the image, imported if it is not there yet."""
    base = tree.image(client)
    name, key = "greenroom-test-agent", base.rpartition(":")[2]
    try:
        client.images.get(f"{name}:{key}")
    except ImageNotFound:
        client.api.import_image_from_data(_tree(), name, key, changes=["ENV PATH=/bin"])  # pyright: ignore[reportUnknownMemberType]
    return f"{name}:{key}"


def _tree() -> bytes:
    buffer = io.BytesIO(tree.tree())
    listed = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    with tarfile.open(fileobj=buffer, mode="a", dereference=True) as archive:
        there = set(archive.getnames())
        for path in dict(_LIBRARIES.findall(listed)).values():
            if path.lstrip("/") not in there:
                archive.add(Path(path), path.lstrip("/"))
        archive.add("/bin/bash", "bin/bash")
    return buffer.getvalue()
