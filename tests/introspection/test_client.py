from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from greenroom.introspection import places
from greenroom.introspection.client import Client, ConsoleError, engines

pytestmark = pytest.mark.real_time


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Generator[Path]:
    """Serve one client after the other with ``talk``, until the block ends."""
    listener, path = places.listen("fake", 1)
    listener.settimeout(None)

    def serve() -> None:
        try:
            while True:
                peer, _ = listener.accept()
                with peer:
                    talk(peer)
        except OSError:
            return

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
        listener.close()
        path.unlink()


def test_nobody_there_is_said_plainly(runtime: Path) -> None:
    """Connecting to a socket that does not exist is a `ConsoleError`."""
    with pytest.raises(ConsoleError, match="no engine answers"):
        Client(runtime / "1-a.sock")


def test_an_engine_that_hangs_up_is_said_plainly(runtime: Path) -> None:
    """A connection that ends without an answer is a `ConsoleError`."""
    with (
        serving(lambda peer: peer.close()) as path,
        pytest.raises(ConsoleError, match=r"hung up|gone"),
        Client(path) as client,
    ):
        client.hello()


def test_another_language_is_said_plainly(runtime: Path) -> None:
    """What does not speak the protocol is not believed."""

    def talk(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(b"220 ready\r\n")

    with (
        serving(talk) as path,
        pytest.raises(ConsoleError, match="does not speak"),
        Client(path) as client,
    ):
        client.hello()


def test_an_engine_that_is_stuck_is_listed(runtime: Path) -> None:
    """An engine that does not answer is listed with what is wrong, within the time given."""
    released = threading.Event()

    def talk(peer: socket.socket) -> None:
        del peer
        released.wait(20)

    with serving(talk) as path:
        found = engines(timeout=0.05)
        released.set()
    assert [(engine.socket, "does not answer" in engine.problem) for engine in found] == [(path, True)]


def test_the_client_is_quick_to_load() -> None:
    """Neither the kernel nor an event loop is imported to ask an engine."""
    heavy = "{'anyio', 'asyncio', 'trio', 'aiohttp', 'structlog', 'rich', 'greenroom.kernel'}"
    probe = (
        f"import greenroom.introspection.client, greenroom.introspection.render, sys; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout.strip() == "set()"
