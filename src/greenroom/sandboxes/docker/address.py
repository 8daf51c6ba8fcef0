"""Where a Docker engine is: found as docker-py finds it, for all who talk to it in their own way."""

from __future__ import annotations

import os
import ssl
from typing import Any, cast

from msgspec import Struct

from greenroom.sandboxes.base import SandboxError

_DEFAULT = "unix:///var/run/docker.sock"


class Address(Struct, frozen=True, kw_only=True):
    """An engine's address, with the files its TLS needs."""

    url: str
    """``unix:///path``, ``http://host:port`` or ``https://host:port``."""
    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True

    @property
    def socket(self) -> str:
        """Path of the engine's socket; empty when it is reached over TCP."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    def tls(self) -> ssl.SSLContext | None:
        """What its connections are secured with."""
        if not self.url.startswith("https://"):
            return None
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def find_engine(host: str | None = None) -> Address:
    """The engine that ``DOCKER_HOST``, the current context or the default socket name, in this order.

    Args:
        host: An address that is used instead, if there is one.

    Raises:
        SandboxError: It cannot be made out, or is of a kind that is not served.
    """
    from docker.errors import DockerException

    try:
        found = {"base_url": host} if host else _found()
    except (DockerException, OSError, ValueError) as error:
        raise SandboxError("docker_not_found", f"the Docker engine's address cannot be made out: {error}") from error
    return _address(str(found.get("base_url") or _DEFAULT), found.get("tls"))


def _found() -> dict[str, Any]:
    from docker import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return cast("dict[str, Any]", kwargs_from_env())
    return cast("dict[str, Any]", ContextAPI.kwargs_from_context())


def _address(url: str, tls: Any) -> Address:  # noqa: ANN401 - docker-py's TLSConfig has no types
    scheme, _, rest = url.partition("://")
    scheme = scheme.removeprefix("http+")
    if scheme == "unix":
        return Address(url=f"unix:///{rest.lstrip('/')}")
    if scheme not in {"tcp", "http", "https"}:
        raise SandboxError("docker_not_found", f"{url}: this kind of address is not served; forward it to a socket")
    if tls is None and scheme != "https":
        return Address(url=f"http://{rest}")
    cert, key = getattr(tls, "cert", None) or ("", "")
    ca = getattr(tls, "ca_cert", None) or ""
    return Address(url=f"https://{rest}", ca=ca, cert=cert, key=key, verify=bool(getattr(tls, "verify", True)))
