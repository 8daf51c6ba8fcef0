"""A process beside the engine that outlives it, and then removes the containers it has left.

It waits for the end of its standard input. When that comes without a word, its engine is dead, by whatever signal: all
containers with the engine's label are removed, and those that are still being made as soon as they are. Nothing but
the standard library, so that it starts at once and shares nothing with what died.
"""

# A program of its own; it runs for the sake of its effects.
from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import sys
import time
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DONE = b"done"
"""Said by an engine that has removed everything itself."""
LATE_SECONDS = 10.0
"""How long to listen for containers that were still being made."""
REQUEST_SECONDS = 60.0
TRIES = 40
"""How often an engine that does not answer is asked again: a Docker engine that is being restarted comes back."""
GONE = (200, 204, 404, 409)


class Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connect(address: dict[str, Any], timeout: float) -> http.client.HTTPConnection:
    """A connection to the engine."""
    scheme, _, rest = address["url"].partition("://")
    if scheme == "unix":
        return Connection(rest, timeout)
    host, _, port = rest.rstrip("/").rpartition(":")
    if scheme == "http":
        return http.client.HTTPConnection(host, int(port), timeout=timeout)
    context = ssl.create_default_context(cafile=address["ca"] or None)
    if address["cert"]:
        context.load_cert_chain(address["cert"], address["key"])
    if not address["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)


def request(address: dict[str, Any], method: str, path: str) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = connect(address, REQUEST_SECONDS)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def containers(address: dict[str, Any], filters: str) -> list[str]:
    """Ids of all containers of the filter."""
    status, body = request(address, "GET", f"/containers/json?all=1&filters={filters}")
    if status != http.client.OK:
        raise OSError(f"listing containers: {status}")
    return [entry["Id"] for entry in json.loads(body)]


def remove(address: dict[str, Any], id: str) -> None:
    """Remove one container, whatever it does."""
    status, _ = request(address, "DELETE", f"/containers/{id}?force=1&v=1")
    if status not in GONE:
        raise OSError(f"removing a container: {status}")


def reap(address: dict[str, Any], label: str) -> None:
    """Remove all containers with this label, those that come late included."""
    filters = quote(json.dumps({"label": [label]}))
    late = quote(json.dumps({"type": ["container"], "label": [label], "event": ["create", "start"]}))
    events = connect(address, LATE_SECONDS)
    try:
        # Listened to before they are listed, so that none comes in between.
        events.request("GET", f"/events?filters={late}")
        answer = events.getresponse()
        for id in containers(address, filters):
            remove(address, id)
        with contextlib.suppress(TimeoutError):
            while line := answer.readline():
                remove(address, json.loads(line)["Actor"]["ID"])
    finally:
        events.close()
    for id in containers(address, filters):
        remove(address, id)


def persist(address: dict[str, Any], label: str) -> int:
    """Reap, again and again while the engine does not answer; returns the exit status."""
    delay = 0.5
    for _ in range(TRIES):
        try:
            reap(address, label)
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            time.sleep(delay)
            delay = min(10.0, delay * 1.5)
        else:
            return 0
    return 1


def main(address: dict[str, Any], label: str) -> int:
    """Wait for the engine's end, and do what is left to do."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while chunk := os.read(0, 64):
        said += chunk
    return 0 if said == DONE else persist(address, label)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2]))
