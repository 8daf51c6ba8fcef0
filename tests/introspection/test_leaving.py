"""Clients of the console that leave, in every way there is: never is it more than the end of their conversation."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from greenroom.engine import Engine
from greenroom.introspection import console, session
from greenroom.introspection.client import Client
from greenroom.introspection.protocol import LINE_LIMIT
from greenroom.kernel import ChildSpec, System
from greenroom.specs import Simulated, TaskSpec
from tests.engine.playing import a_task, quick
from tests.introspection.conftest import Broken

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]

TIMES = 40
SECONDS = 50.0
CLIENTS = 12
"""One more than the console could be restarted in a minute."""

Way = Callable[[socket.socket], object]


def says(*lines: bytes) -> Way:
    """Say something, and go without reading the answer."""
    return lambda client: client.sendall(b"".join(lines))


def at_once(_: socket.socket) -> None:
    """Go without a word."""


def half(client: socket.socket) -> None:
    """Say that nothing more will be said, and go when the other side does."""
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""


def half_deaf(client: socket.socket) -> None:
    """Ask, and take no answer any more."""
    client.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        client.sendall(b'{"verb":"tree"}\n' * 20)


def amid_an_answer(client: socket.socket) -> None:
    """Read the beginning of many answers, and leave the rest unread, which resets the connection."""
    client.sendall(b'{"verb":"tree"}\n' * 200)
    assert client.recv(10)


def amid_events(client: socket.socket) -> None:
    """Go while events are pushed, with some of them unread."""
    client.sendall(b'{"verb":"events"}\n')
    assert client.recv(100)
    assert client.recv(1)


def amid_events_in_halves(client: socket.socket) -> None:
    """Listen, and close the half that is not needed for it."""
    client.sendall(b'{"verb":"events"}\n')
    assert client.recv(1)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1)


def amid_events_deaf(client: socket.socket) -> None:
    """Ask for events, and refuse them."""
    client.sendall(b'{"verb":"events"}\n')
    assert client.recv(100)
    client.shutdown(socket.SHUT_RD)


def without_end(client: socket.socket) -> None:
    """Send a line that never ends, until nobody listens any more."""
    with suppress(OSError):
        for _ in range(1000):
            client.sendall(b"x" * LINE_LIMIT)


def never_reads(client: socket.socket) -> None:
    """Ask for events, read none of them, and wait to be sent away."""
    client.sendall(b'{"verb":"events"}\n')
    watch = select.poll()
    watch.register(client, 0)
    assert watch.poll(SECONDS * 1000)


WAYS: dict[str, Way] = {
    "at once": at_once,
    "half": half,
    "half deaf": half_deaf,
    "amid a request": says(b'{"verb":'),
    "behind a request": says(b'{"verb":"tree"}\n'),
    "behind many requests": says(b'{"verb":"snapshot"}\n' * 100),
    "amid an answer": amid_an_answer,
    "amid events": amid_events,
    "amid events, in halves": amid_events_in_halves,
    "amid events, deaf": amid_events_deaf,
    "having asked for events": says(b'{"verb":"events"}\n'),
    "having asked for events, with more to say": says(b'{"verb":"events"}\n{"verb":"ps"}\n'),
    "with garbage": says(b"\xff\x00\n", b"[" * 1000, b"\n"),
    "with a line without end": without_end,
}


def path_of(system: System, console: str = "/console") -> Path:
    """Where the console listens."""
    found = system.inspect(console)
    assert found is not None
    return Path(found.observed.socket)


def visit(path: Path, way: Way) -> None:
    """Come, behave, and go."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # which waits for its turn as long as it has no timeout
        client.settimeout(SECONDS)
        with suppress(BrokenPipeError, ConnectionResetError):  # the console may be the first to go
            way(client)


async def chatter(system: System) -> None:
    """Make events without end."""
    while True:
        await system.start(ChildSpec("chatter", Broken))
        await system.stop_child("chatter")


@pytest.fixture
async def noisy(system: System) -> AsyncIterator[System]:
    """A system in which there is always something to tell."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(chatter, system)
        yield system
        tasks.cancel_scope.cancel()


async def assert_unharmed(system: System, path: str = "/console") -> None:
    """The console was never restarted, has no client left, and answers."""
    with anyio.fail_after(SECONDS), Client(path_of(system, path)) as client:
        while (found := system.inspect(path)) and found.observed.clients > 1:
            await anyio.to_thread.run_sync(client.hello)  # nobody says when a client that has left is forgotten
        assert found is not None
        assert found.status.restarts == 0
        assert (await anyio.to_thread.run_sync(client.hello)).pid


async def visit_often(system: System, way: Way) -> None:
    """As many clients as would have ended an engine a few times, some of them at the same time."""
    path = path_of(system)
    limit = anyio.CapacityLimiter(4)
    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as visitors:
            for _ in range(TIMES):
                visitors.start_soon(partial(anyio.to_thread.run_sync, partial(visit, path, way), limiter=limit))


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_is_no_crash(noisy: System, way: str) -> None:
    """Whenever and however a client goes, the console goes on as if nothing had happened."""
    await visit_often(noisy, WAYS[way])
    await assert_unharmed(noisy)


async def test_a_client_that_does_not_read_events_is_no_crash(noisy: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for events and never reads them is sent away, and has hurt nobody."""
    monkeypatch.setattr(session, "WRITE_SECONDS", 0.01)

    await visit_often(noisy, never_reads)
    await assert_unharmed(noisy)


async def test_a_client_that_leaves_while_it_is_refused_is_no_crash(
    noisy: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One client too many may go before it is told that it is one too many."""
    with monkeypatch.context() as patched:
        patched.setattr(console, "CLIENTS", 0)
        for way in ("at once", "behind many requests", "with a line without end"):
            await visit_often(noisy, WAYS[way])
    await assert_unharmed(noisy)


# ----------------------------------------------------------------------------------------- the real client, and engine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_listener_may_be_ended_by_any_signal(runtime: Path, number: signal.Signals) -> None:
    """A dozen `greenroom events` that are ended at once cost neither the engine nor its console anything."""
    work = (a_task(f"t{count}") for count in range(1_000_000))
    async with Engine("simulated", model=quick, sandbox=Simulated(boot=0.001, turn=0.001), concurrency=2) as engine:
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume, engine, work)
                await anyio.to_thread.run_sync(listen_until_ended, number)
                tasks.cancel_scope.cancel()
            await assert_unharmed(engine.system, "/engine/console")


async def consume(engine: Engine, work: Iterator[TaskSpec]) -> None:
    """Keep the engine busy, so that it has something to tell."""
    async for outcome in engine.run(work):
        assert outcome.status == "completed"


def listen_until_ended(number: signal.Signals) -> None:
    """A dozen clients that all listen, and are sent the signal one after the other."""
    command = [sys.executable, "-m", "greenroom", "events", "--json"]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(CLIENTS)]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline().startswith(b"{")
    for client in clients:
        with client:
            client.send_signal(number)
            assert client.wait(SECONDS) != 0
