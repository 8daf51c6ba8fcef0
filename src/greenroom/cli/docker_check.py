"""Whether a Docker engine answers."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 3.0


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def docker_engine() -> tuple[str, str]:
    """Version and address of the engine that answers.

    Raises:
        OSError: None does; the text says where it was looked for.
    """
    address = _address()
    connection = _connection(address)
    try:
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get("Server", "Docker"), address
    except http.client.HTTPException as error:
        raise OSError(f"{address}: it does not speak HTTP") from error
    except OSError as error:
        raise type(error)(f"{address}: {error.strerror or error}") from error
    finally:
        connection.close()


def _connection(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        if not hasattr(socket, "AF_UNIX"):
            raise OSError(f"{address}: this system has no Unix sockets")
        return _OverSocket(parts.path)
    if parts.scheme in {"tcp", "http"} and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_SECONDS)
    raise OSError(f"{address}: this kind of address is not tried")


def _address() -> str:
    if address := os.environ.get("DOCKER_HOST"):
        return address
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere", "docker.sock")
    system = Path("/var/run/docker.sock")
    return f"unix://{own if own.exists() and not system.exists() else system}"
