from __future__ import annotations

import asyncio
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.introspection import console, places, session
from greenroom.introspection.client import Client, ConsoleError
from greenroom.introspection.protocol import LINE_LIMIT
from greenroom.kernel import System
from tests.introspection.conftest import Greet

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


class Wire:
    """A client that may say anything."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.lines = BufferedByteReceiveStream(stream)

    async def ask(self, line: bytes) -> dict[str, Any]:
        await self.stream.send(line + b"\n")
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(await self.lines.receive_until(b"\n", 1 << 20))
        return answer

    async def is_hung_up(self) -> bool:
        try:
            await self.lines.receive(1)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True
        return False


def socket_of(system: System) -> Path:
    """Where the system's console listens."""
    found = system.inspect("/console")
    assert found is not None
    return Path(found.observed.socket)


@pytest.fixture
async def wire(system: System) -> AsyncIterator[Wire]:
    """A connection to the console."""
    async with await anyio.connect_unix(socket_of(system)) as stream:
        with anyio.fail_after(20):
            yield Wire(stream)


async def ask(system: System, question: Callable[[Client], Any]) -> Any:  # noqa: ANN401
    """Use the blocking client from a thread."""
    path = socket_of(system)

    def talk() -> object:
        with Client(path, timeout=20) as client:
            return question(client)

    return await anyio.to_thread.run_sync(talk)


async def never_read(stream: SocketStream) -> None:
    """Ask and ask, and take no answer."""
    while True:
        await stream.send(b'{"verb":"ps"}\n' * 100)


def entries(directory: Path) -> list[str]:
    """Names in a directory."""
    return [path.name for path in directory.iterdir()]


# ----------------------------------------------------------------------------------------------------- the socket


async def test_only_the_user_can_reach_the_socket(system: System) -> None:
    """The directory has mode 0700, the socket 0600, and the name says process and engine."""
    path = socket_of(system)
    assert path.name == f"{os.getpid()}-test-engine.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_socket_goes_with_the_engine(runtime: Path) -> None:
    """Nothing is left in the directory once the system has ended."""
    async with System() as system:
        await system.start(console.console_spec("a", dict))
        assert socket_of(system).exists()
    assert entries(runtime) == []


async def test_the_socket_goes_with_a_killed_console(system: System) -> None:
    """A console that is killed takes its socket along, and its successor opens a new one."""
    before = system.lookup("/console")
    with system.subscribe() as events:
        system.kill(before)
        async for event in events:
            if event.kind == "started" and event.path == "/console":
                break
    assert entries(socket_of(system).parent) == [socket_of(system).name]
    assert (await ask(system, Client.hello)).name == "test engine"


async def test_two_engines_of_one_process_have_a_socket_each(system: System) -> None:
    """A second console of the same name finds a name of its own."""
    async with System() as other:
        await other.start(console.console_spec("test engine", dict))
        assert socket_of(other).name == f"{os.getpid()}-test-engine-2.sock"
        assert (await ask(other, Client.hello)).name == "test engine"


async def test_an_engine_lives_without_a_place_for_its_socket(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any directory the console starts all the same, and says what is wrong."""
    monkeypatch.setattr(places, "directories", lambda: [Path("/proc/nowhere")])
    async with System() as system:
        await system.start(console.console_spec("a", dict))
        found = system.inspect("/console")
        assert found is not None
        assert found.observed.socket == ""
        assert "/proc/nowhere" in found.observed.problem


# ---------------------------------------------------------------------------------------------------- its answers


async def test_hello_says_who_answers(system: System) -> None:
    """Name, process and the verbs are in the greeting."""
    hello = await ask(system, Client.hello)
    assert (hello.name, hello.pid) == ("test engine", os.getpid())
    assert hello.verbs == session.VERBS


async def test_the_tree_has_every_actor(system: System) -> None:
    """Every live actor has a row, and a path limits them to a branch."""
    rows = await ask(system, Client.rows)
    assert [row.path for row in rows] == ["/", "/host", "/broken", "/console"]
    assert [row.kind for row in await ask(system, partial(Client.rows, path="/host"))] == ["Host"]


async def test_inspect_shows_state_and_masks_secrets(system: System) -> None:
    """What an actor shows of itself arrives as plain data, a field named like a key without its value."""
    system.lookup("/host").cast(Greet("Ann"))
    await anyio.wait_all_tasks_blocked()
    found = await ask(system, partial(Client.inspect, path="/host"))
    assert found.observed == {"api_key": "***", "met": ["Ann"]}
    assert found.status.handled == 1


async def test_an_actor_that_cannot_show_itself_is_shown(system: System) -> None:
    """A broken ``observe`` is an answer, not a failure."""
    found = await ask(system, partial(Client.inspect, path="/broken"))
    assert "RuntimeError" in found.observed


async def test_the_snapshot_is_the_engines(system: System) -> None:
    """``snapshot`` gives what the engine provided, secrets masked."""
    assert await ask(system, Client.snapshot) == {"rollouts": 3, "token": "***"}


async def test_an_unknown_actor_is_named(system: System) -> None:
    """Asking for nobody is answered with the path that was asked for."""
    with pytest.raises(ConsoleError, match="no actor '/nobody'"):
        await ask(system, partial(Client.inspect, path="/nobody"))


async def test_events_are_streamed_as_they_happen(system: System, wire: Wire) -> None:
    """A client that listens hears of an actor's end."""
    assert (await wire.ask(b'{"verb":"events"}'))["ok"]
    await system.stop_child("host")
    event = (await wire.answer())["value"]
    assert (event["kind"], event["path"], event["missed"]) == ("stopped", "/host", 0)


async def test_a_listener_that_goes_is_forgotten(system: System, wire: Wire) -> None:
    """Hanging up ends the subscription and frees the client's place."""
    await wire.ask(b'{"verb":"events"}')
    await wire.stream.send_eof()
    assert await wire.is_hung_up()
    await anyio.wait_all_tasks_blocked()
    found = system.inspect("/console")
    assert found is not None
    assert (found.observed.clients, found.observed.served) == (0, 1)


# ------------------------------------------------------------------------------------------------- hostile clients


async def test_an_unknown_verb_is_answered_with_the_known_ones(wire: Wire) -> None:
    """The error names the verb and those there are."""
    answer = await wire.ask(b'{"verb":"stop"}')
    assert not answer["ok"]
    assert "'stop'" in answer["error"]
    assert "hello, ps, tree" in answer["error"]


async def test_an_unknown_field_is_named(wire: Wire) -> None:
    """A misspelt field is refused, not ignored."""
    assert "`pathh`" in (await wire.ask(b'{"verb":"tree","pathh":"/"}'))["error"]


async def test_a_line_without_end_is_cut_off(wire: Wire) -> None:
    """A request longer than the limit is refused and ends the conversation."""
    await wire.stream.send(b"x" * LINE_LIMIT)
    assert str(LINE_LIMIT) in (await wire.answer())["error"]
    assert await wire.is_hung_up()


async def test_a_silent_client_is_sent_away(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks nothing for too long loses the connection."""
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.01)
    async with await anyio.connect_unix(socket_of(system)) as stream:
        assert await Wire(stream).is_hung_up()


async def test_a_client_that_does_not_read_is_sent_away(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks and never takes the answers is cut off instead of waited for."""
    monkeypatch.setattr(session, "WRITE_SECONDS", 0.01)
    async with await anyio.connect_unix(socket_of(system)) as stream:
        with pytest.raises(anyio.BrokenResourceError), anyio.fail_after(20):
            await never_read(stream)


async def test_one_client_too_many_is_told_so(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of clients is bounded, and whoever is refused learns why."""
    monkeypatch.setattr(console, "CLIENTS", 1)
    async with await anyio.connect_unix(socket_of(system)) as first:
        assert (await Wire(first).ask(b'{"verb":"hello"}'))["ok"]
        async with await anyio.connect_unix(socket_of(system)) as second:
            assert "1 clients" in (await Wire(second).answer())["error"]
            assert await Wire(second).is_hung_up()


async def test_an_answer_that_cannot_be_made_is_a_refusal(runtime: Path) -> None:
    """A snapshot that raises costs one answer; the console goes on, and says nothing of what was inside."""

    def snapshot() -> object:
        raise RuntimeError("sk-very-secret")

    async with System() as system:
        await system.start(console.console_spec("a", snapshot))
        with pytest.raises(ConsoleError, match=r"failed to answer: RuntimeError$"):
            await ask(system, Client.snapshot)
        assert (await ask(system, Client.hello)).name == "a"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
GARBAGE = st.one_of(
    st.binary(max_size=300),
    JSON.map(msgspec.json.encode),
    st.fixed_dictionaries({"verb": st.sampled_from([*session.VERBS[:-1], "x"]) | JSON, "path": st.text() | JSON}).map(
        msgspec.json.encode
    ),
    st.integers(1, 30_000).map(lambda depth: b"[" * depth),
).map(lambda line: line.replace(b"\n", b" "))


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(GARBAGE, min_size=1, max_size=20))
def test_garbage_is_answered(anyio_backend: str, runtime: Path, lines: list[bytes]) -> None:
    """Whatever a client sends, each line gets one answer, and the console is there afterwards."""

    async def main() -> None:
        async with System() as system:
            await system.start(console.console_spec("a", dict))
            async with await anyio.connect_unix(socket_of(system)) as stream:
                wire = Wire(stream)
                with anyio.fail_after(20):
                    for line in lines:
                        assert (await wire.ask(line))["ok"] in {True, False}
                    assert (await wire.ask(b'{"verb":"hello"}'))["value"]["name"] == "a"
            found = system.inspect("/console")
            assert found is not None
            assert found.status.restarts == 0

    anyio.run(main, backend=anyio_backend)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_somebody_connects_as_the_console_ends(system: System) -> None:
    """A client that comes in the very moment in which the console is ended is no error of the event loop."""
    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(repr(context.get("exception"))))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_of(system)))
        # The loop finds the client after it has found this, and hears of both in the same pass.
        loop.call_soon(system.kill, system.lookup("/console"))
        await anyio.sleep(0.01)
    await anyio.wait_all_tasks_blocked()
    assert told == []


async def test_without_file_descriptors_the_console_waits(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process has no file descriptor left to take a client with, the console listens again a little later."""
    again = anyio.Event()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def listen(name: str, pid: int) -> tuple[socket.socket, Path]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        again.set()
        return places.listen(name, pid)

    monkeypatch.setattr(console, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr("greenroom.introspection.console.places", SimpleNamespace(listen=listen))
    with socket.socket(socket.AF_UNIX) as client:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), hard))
        client.connect(str(socket_of(system)))
        with anyio.fail_after(20):
            await again.wait()
    await anyio.wait_all_tasks_blocked()
    assert (await ask(system, Client.hello)).name == "test engine"
    assert [row.restarts for row in system.tree("/console")] == [0]


def lowest_free_descriptor() -> int:
    """What the next open file of this process would get."""
    free = os.dup(0)
    os.close(free)
    return free
