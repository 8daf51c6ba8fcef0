"""docker-py, for what happens once: images are found, fetched, built and made ready.

Its adapter for sockets is mended in two places. It keeps a pool of connections for each URL and closes pools that are
in use, which under load ends in an `AttributeError` after the engine has done its work: one pool for all. And it
leaves a socket open on which no engine answered.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Any

from docker import DockerClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from requests.exceptions import RequestException

from greenroom.sandboxes.docker.address import Address

_SECONDS = 600
_CONNECTIONS = 8


class _Connection(UnixHTTPConnection):
    """Closes its socket when nothing listens at the other end."""

    def connect(self) -> None:
        with ExitStack() as refused:
            sock = refused.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.settimeout(_SECONDS)
            sock.connect(self.unix_socket)
            refused.pop_all()
        self.sock = sock


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:  # noqa: ANN401 - docker-py has no types
        return _Connection("http+docker://localhost", self.socket_path, _SECONDS)


class _OnePool(UnixHTTPAdapter):
    """Connections of one socket are all alike."""

    def __init__(self, path: str) -> None:
        super().__init__(f"http+unix://{path}", _SECONDS, 1, _CONNECTIONS)
        self._pool = _Pool("http+docker://localhost", path, _SECONDS, maxsize=_CONNECTIONS)

    def get_connection(self, url: Any, proxies: Any = None) -> Any:  # noqa: ANN401, ARG002 - docker-py has no types
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def cold_client(address: Address) -> DockerClient:
    """A client of the same engine. Whoever asks for it closes it. Talks to the engine once, for its version.

    Raises:
        DockerException: No engine answers there, or it is of another kind.
    """
    tls: Any = False
    if address.url.startswith("https://"):
        cert = (address.cert, address.key) if address.cert else None
        tls = TLSConfig(client_cert=cert, ca_cert=address.ca or None, verify=address.verify)
    client = DockerClient(base_url=address.url, version=DEFAULT_DOCKER_API_VERSION, timeout=_SECONDS, tls=tls)
    if address.socket:
        adapter = _OnePool(address.socket)
        client.api.mount("http+docker://", adapter)
        vars(client.api)["_custom_adapter"] = adapter  # which is what docker-py closes
    try:
        vars(client.api)["_version"] = client.version(api_version=False)["ApiVersion"]
    except (RequestException, DockerException, OSError, KeyError) as error:
        client.close()
        raise DockerException(f"no Docker engine answers at {address.url}: {error}") from error
    return client
