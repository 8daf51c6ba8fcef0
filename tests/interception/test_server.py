"""The aiohttp rim, over real sockets."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from greenroom.interception import Limits, Routes
from greenroom.interception.dialects import sse
from greenroom.interception.server import Server
from greenroom.messages import Completion, ModelCall, Text
from tests.interception.talk import Owner, body, events, quick, reassemble, said
from tests.interception.wiring import CHAT, address_of, client, converse, listening, plain, raw, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

STREAM = body(stream=True)


async def test_one_piece_and_streamed_say_the_same() -> None:
    """Over a socket, too, an answer is the same in one piece and as a stream, and closes with ``[DONE]``."""
    routes = Routes()
    one, many = (routes.open(quick, rollout_id="r") for _ in range(2))
    async with serving(routes) as server, aiohttp.ClientSession(server.base_url) as http:
        async with http.post(CHAT, json=body(), headers={"x-api-key": one.key}) as reply:
            whole = await reply.json()
        fields = {**STREAM, "stream_options": {"include_usage": True}}
        async with http.post(CHAT, json=fields, headers={"x-api-key": many.key}) as reply:
            assert reply.content_type == "text/event-stream"
            assert reassemble(events(await reply.read())) == whole


async def test_bytes_flow_before_the_answer() -> None:
    """Status line, first event and keep-alives arrive while the owner of the model still thinks."""
    routes, owner = Routes(Limits(keepalive=0.01)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with (
        serving(routes) as server,
        client(route.key, server.base_url) as http,
        http.post(CHAT, json=STREAM) as reply,
    ):
        assert reply.status == 200
        waiting = await reply.content.readuntil(sse.comment("keep-alive"))
        assert b'"role":"assistant"' in waiting
        await reply.content.readuntil(sse.comment("keep-alive"))
        assert owner.answers == []
        owner.answer()
        assert b"hello" in await reply.read()


async def test_many_at_once() -> None:
    """Calls of many rollouts are all with their owners at the same time, and each agent gets its own answer."""
    everybody = asyncio.Barrier(200)

    async def together(call: ModelCall) -> Completion:
        await everybody.wait()
        return Completion(parts=(Text(call.rollout_id),))

    routes = Routes()
    keys = {f"r{number}": routes.open(together, rollout_id=f"r{number}").key for number in range(200)}
    async with serving(routes) as server, client("", server.base_url) as http:

        async def agent(name: str) -> None:
            async with http.post(CHAT, json=body(), headers={"Authorization": f"Bearer {keys[name]}"}) as reply:
                assert said(await reply.read()) == name

        await asyncio.gather(*map(agent, keys))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_disconnects_cancels_its_answer(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """When the connection goes away and nobody comes back, the owner's work is cancelled."""
    routes, owner = Routes(Limits(grace=0.01)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as server:
        async with raw(server) as (_, writer):
            writer.write(plain(route.key, body(stream=stream)))
            await owner.was_asked()
        await asyncio.wait_for(owner.was_cancelled(), 10)
    assert route.waiting == 0


async def test_a_lost_connection_and_a_retry_are_one_call() -> None:
    """A client that loses its connection and asks again gets the answer to its first request."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as server, client(route.key, server.base_url) as http:
        async with raw(server) as (_, writer):
            writer.write(plain(route.key, STREAM))
            await owner.was_asked()
        retry = asyncio.create_task(http.post(CHAT, json=body(), headers={"x-stainless-retry-count": "1"}))
        owner.answer()
        async with await retry as reply:
            assert said(await reply.read()) == "hello"
    assert len(owner.asked) == 1


async def test_a_slow_reader_holds_up_nobody() -> None:
    """A client that does not read its large answer is cut off in the end, and others are served meanwhile."""
    routes = Routes(Limits(write_seconds=0.2))
    huge = Completion(parts=(Text("x" * 30_000_000),))

    async def large(call: ModelCall) -> Completion:
        return huge

    slow, fast = routes.open(large, rollout_id="slow"), routes.open(quick, rollout_id="fast")
    async with serving(routes) as server, client(fast.key, server.base_url) as http:
        with socket.create_connection(address_of(server)) as lazy:
            lazy.sendall(plain(slow.key, STREAM))
            for number in range(5):
                async with http.post(CHAT, json=body(str(number))) as reply:
                    assert reply.status == 200
            cut = select.poll()
            cut.register(lazy, 0)  # wakes when the connection is reset, and for nothing else
            assert await asyncio.to_thread(cut.poll, 10_000)


async def test_another_listening_socket() -> None:
    """A socket that came out of a sandbox serves the same routes, by the same keys, until its site is closed."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    sock = listening()
    address = "http://{}:{}".format(*sock.getsockname())
    async with serving(routes) as server:
        site = await server.serve(sock)
        async with client(route.key, address) as http:
            async with http.post(CHAT, json=body()) as reply:
                assert reply.status == 200
            await site.close()
            await site.close()
            with pytest.raises(aiohttp.ClientError):
                await http.post(CHAT, json=body("again"))
        async with client(route.key, server.base_url) as http, http.get("/health") as reply:
            assert await reply.json() == {"status": "ok"}


async def test_closing_tells_who_waits() -> None:
    """When the server is closed, agents that wait are told to try again, and all connections end in bounded time."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    server = Server(routes)
    await server.start()
    async with client(route.key, server.base_url) as http, raw(server) as (idle, _):
        waiting = asyncio.create_task(http.post(CHAT, json=body()))
        await owner.was_asked()
        await server.close()
        await server.close()
        async with await waiting as reply:
            assert reply.status == 500
            assert "retry" in (await reply.json())["error"]["message"]
        assert await idle.read() == b""
    assert owner.cancelled == 1


async def test_a_stubborn_reader_does_not_hold_up_the_end() -> None:
    """Closing is bounded even while an answer is stuck in a connection nobody reads."""
    routes = Routes()

    async def large(call: ModelCall) -> Completion:
        return Completion(parts=(Text("x" * 30_000_000),))

    server = Server(routes)
    await server.start()
    async with raw(server) as (reader, writer):
        writer.write(plain(routes.open(large, rollout_id="r").key))
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(server.close(0.1), 5)


async def test_a_server_that_is_not_started() -> None:
    """Asking an unstarted or closed server for its address is an error that says so, and so is starting it twice."""
    server = Server(Routes())
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.base_url
    sock = listening()
    with pytest.raises(RuntimeError, match="not started"):
        await server.serve(sock)
    sock.close()
    await server.start()
    with pytest.raises(RuntimeError, match="already"):
        await server.start()
    assert server.base_url.startswith("http://127.0.0.1:")
    await server.close()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.base_url


async def test_every_interface_has_to_be_asked_for() -> None:
    """An empty host, which the socket library takes for all interfaces, is refused."""
    with pytest.raises(ValueError, match="empty"):
        await Server(Routes()).start(host=" ")


async def test_a_port_that_is_taken() -> None:
    """A port somebody else listens on is reported, and leaves nothing behind."""
    with listening() as taken, pytest.raises(OSError, match="in use"):
        await Server(Routes()).start(port=taken.getsockname()[1])


async def test_broken_http_is_answered_in_order() -> None:
    """What is not HTTP, or not ours, gets an error in the dialect's shape, quoting nothing, and harms nobody."""
    secret = "sk-SECRET"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
    attempts = [
        b"\x16\x03\x01\x02\x00\x01",
        b"GARBAGE\r\n\r\n",
        f"{head}Bad Header: {secret}\r\n\r\n".encode(),
        f"{head}X: {secret}\x00\r\n\r\n".encode(),
        f"{head}Content-Length: {secret}\r\n\r\n".encode(),
        f"{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabc".encode(),
        f"{head}Long: {'x' * 100_000}\r\n\r\n".encode(),
        (head + "".join(f"H{n}: x\r\n" for n in range(5000)) + "\r\n").encode(),
        f"GET /{'x' * 100_000} HTTP/1.1\r\n\r\n".encode(),
        f"GET http://[{secret} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
        f"CONNECT {secret}:443 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"OPTIONS * HTTP/1.1\r\nHost: {secret}\r\nConnection: close\r\n\r\n".encode(),
        f"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n{secret}".encode(),
    ]
    routes = Routes(Limits(idle_seconds=0.2))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server:
        for attempt in attempts:
            answer = await converse(server, attempt)
            assert answer == b"" or b'{"error":{' in answer, attempt[:60]
            assert not any(word in answer for word in (secret.encode(), b"aiohttp", b"Traceback", b"Python")), answer
        assert b"answer 0" in await converse(server, plain(route.key))


@pytest.mark.parametrize(
    ("head", "content"),
    [
        ("Transfer-Encoding: chunked", b"ZZ\r\nnonsense"),
        ("Transfer-Encoding: chunked", b"5\r\nab"),
        ("Content-Length: 500", b"{}"),
        ("Content-Encoding: gzip\r\nContent-Length: 4", b"nope"),
        ("Content-Encoding: deflate\r\nContent-Length: 4", b"nope"),
    ],
)
async def test_broken_bodies_are_no_calls(head: str, content: bytes) -> None:
    """A body that is cut or garbled is no call, and the answer, if the client still listens, is an error."""
    routes = Routes(Limits(body_seconds=0.1))
    route = routes.open(quick, rollout_id="r")
    key = f"x-api-key: {route.key}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    start = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{key}"
    async with serving(routes) as server:
        answer = await converse(server, f"{start}{head}\r\n\r\n".encode() + content)
        assert answer.split()[1] in (b"400", b"408")
        assert route.counters.calls == 0
        assert b"answer 0" in await converse(server, plain(route.key))


async def test_a_body_that_is_too_large() -> None:
    """A body beyond the limit is refused, announced or not, compressed or not, before it is all in memory."""
    routes = Routes(Limits(body=100_000))
    route = routes.open(quick, rollout_id="r")

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(4):
            yield b" " * 50_000

    async with serving(routes) as server, client(route.key, server.base_url) as http:
        json_type = {"Content-Type": "application/json"}
        attempts: list[dict[str, Any]] = [
            {"data": b" " * 200_000},
            {"data": pieces()},
            {"data": b" " * 1_000_000, "compress": "gzip"},
        ]
        for attempt in attempts:
            async with http.post(CHAT, headers=json_type, **attempt) as reply:
                assert reply.status == 413
        async with http.post(CHAT, json=body(), compress="gzip") as reply:
            assert reply.status == 200


@pytest.mark.parametrize(
    ("head", "start"),
    [("Content-Length: 100001", b""), ("Transfer-Encoding: chunked", b"30000\r\n" + b" " * 0x30000 + b"\r\n")],
)
async def test_too_large_is_said_before_the_end(head: str, start: bytes) -> None:
    """A body that is announced or becomes too large is refused while the rest of it is still to come."""
    routes = Routes(Limits(body=100_000))
    route = routes.open(quick, rollout_id="r")
    lines = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {route.key}\r\nContent-Type: application/json\r\n{head}"
    async with serving(routes) as server, raw(server) as (reader, writer):
        writer.write(lines.encode() + b"\r\n\r\n" + start)
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)


async def test_a_body_that_never_comes() -> None:
    """A client that announces a body and does not send it is refused after the stated time."""
    routes = Routes(Limits(body_seconds=0.05))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server, raw(server) as (reader, writer):
        writer.write(plain(route.key, Content_Length="9999"))
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 10)


async def test_a_stranger_s_body_is_not_read() -> None:
    """Without a key the answer is 401 at once, while the body is still on its way."""
    async with serving(Routes()) as server, raw(server) as (reader, writer):
        writer.write(plain("nobody", Content_Length="9999999"))
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 10)


async def test_curl_asks_first() -> None:
    """A client that waits to be invited before it sends its body is invited, if its key is good."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server:
        answer = await converse(server, plain(route.key, Expect="100-continue"))
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        assert b"100 Continue" not in await converse(server, plain("nobody", Expect="100-continue"))


async def test_idle_connections_end() -> None:
    """A connection that sends nothing, or half a request, is closed after the stated time."""
    async with serving(Routes(Limits(idle_seconds=0.05))) as server:
        for start in (b"", b"POST /v1/chat", f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n".encode()):
            async with raw(server) as (reader, writer):
                writer.write(start)
                assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_connections_are_bounded_per_socket() -> None:
    """Whoever opens too many connections is cut off, on the socket it came in on and no other."""
    routes = Routes(Limits(sandbox_connections=3))
    sock = listening()
    port = sock.getsockname()[1]
    async with serving(routes) as server:
        site = await server.serve(sock)
        flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        cut = [asyncio.create_task(reader.read()) for reader, _ in flood]
        ends = asyncio.as_completed(cut, timeout=10)
        for _ in range(7):
            assert isinstance(await asyncio.gather(next(ends), return_exceptions=True), list)
        assert site.connections == 3
        async with client("", server.base_url) as http, http.get("/health") as reply:
            assert reply.status == 200
        await site.close()
        await asyncio.gather(*cut, return_exceptions=True)
        for _, writer in flood:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_nothing_is_written_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Neither requests nor broken ones leave a line in any log, so no key can be in one."""
    caplog.set_level(0)
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server:
        await converse(server, plain(route.key))
        await converse(server, f"GET / HTTP/1.1\r\nAuthorization: Bearer {route.key}\r\nBad Header: x\r\n\r\n".encode())
    assert not [record for record in caplog.records if record.name != "asyncio"]
    assert route.key not in caplog.text
