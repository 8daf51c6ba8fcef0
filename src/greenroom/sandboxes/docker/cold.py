"""docker-py, for what happens once: images are found, fetched, built and made ready.

Its adapter for sockets keeps a pool of connections for each URL and closes pools that are in use, which under load
ends in an `AttributeError` after the engine has done its work. One pool for all mends that.
"""

from __future__ import annotations

from typing import Any

from docker import DockerClient
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter

from greenroom.sandboxes.docker.address import Address

_SECONDS = 600
_CONNECTIONS = 8


class _OnePool(UnixHTTPAdapter):
    """Connections of one socket are all alike."""

    def get_connection(self, url: Any, proxies: Any = None) -> Any:  # noqa: ANN401, ARG002 - docker-py has no types
        return super().get_connection("http+docker://localhost", proxies)


def cold_client(address: Address) -> DockerClient:
    """A client of the same engine. Whoever asks for it closes it. Talks to the engine once, for its version."""
    tls: Any = False
    if address.url.startswith("https://"):
        cert = (address.cert, address.key) if address.cert else None
        tls = TLSConfig(client_cert=cert, ca_cert=address.ca or None, verify=address.verify)
    client = DockerClient(base_url=address.url, version="auto", timeout=_SECONDS, tls=tls)
    if address.socket:
        adapter = _OnePool(f"http+unix://{address.socket}", _SECONDS, 1, _CONNECTIONS)
        client.api.mount("http+docker://", adapter)
        vars(client.api)["_custom_adapter"] = adapter  # which is what docker-py closes
    return client
