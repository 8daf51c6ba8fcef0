"""A listening socket inside a container's network, handed out from inside: for engines of ours that are not root.

A directory with a socket in it is mounted into the container. The first program that runs there listens on the
loopback address, passes that socket out through the other one, and ends; the agent comes later and finds an empty
directory. Needs a Python in the image, and the Docker engine on this machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Self

from greenroom.sandboxes.base import Exec, ExecResult, SandboxError
from greenroom.sandboxes.docker.netns import PORT

_WHERE = "/run/greenroom"
_PROGRAM = """
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(512)
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[2])
socket.send_fds(door, [b"!"], [listener.fileno()])
"""


def needed() -> bool:
    """Whether this is the only way."""
    return os.geteuid() != 0


class Doorway:
    """One directory with one socket; gone when the block ends."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="greenroom-door-"))
        self._directory.chmod(0o711)
        self._door = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        path = self._directory / "door"
        self._door.bind(str(path))
        path.chmod(0o666)  # the programs' user is nobody here
        self._door.listen(1)
        self._door.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return self

    def __exit__(self, *exception: object) -> None:
        self._door.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def bind(self) -> str:
        """How it is mounted."""
        return f"{self._directory}:{_WHERE}:ro"

    @property
    def program(self) -> Exec:
        """What has to be run in the container."""
        return Exec(argv=("python3", "-I", "-S", "-c", _PROGRAM, str(PORT), f"{_WHERE}/door"), cwd="/")

    def receive(self, result: ExecResult) -> socket.socket:
        """What the program has handed out. Raises `SandboxError`."""
        try:
            connection, _ = self._door.accept()
            with connection:
                _, (fd,), _, _ = socket.recv_fds(connection, 1, 1)
        except (OSError, ValueError) as error:
            text = "without root, the image needs python3 to open the way to the model"
            raise SandboxError("network_refused", text, result.output.decode(errors="replace")) from error
        listener = socket.socket(fileno=fd)
        listener.setblocking(False)  # noqa: FBT003
        return listener
