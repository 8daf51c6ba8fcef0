"""Any body at all, in every dialect, through the endpoint and over sockets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.interception import Limits, Routes
from greenroom.interception.dialects import DIALECTS
from greenroom.interception.wire import Response
from tests.fuzz.budget import CALM, EXAMPLES
from tests.fuzz.targets import REQUESTS
from tests.fuzz.words import anything
from tests.interception.dialogue import NAMES, ask
from tests.interception.talk import quick, serving
from tests.interception.wiring import converse, plain
from tests.interception.wiring import serving as listening

search = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=CALM)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_any_body_gets_a_well_formed_answer(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whatever an agent sends, it gets an answer or an error in its dialect's shape, and the next call is served."""

    @search
    @given(anything(REQUESTS[name], name))
    def check(body: bytes) -> None:
        anyio.run(converse_in_memory, name, body, stream)

    check()


async def converse_in_memory(name: str, body: bytes, stream: bool) -> None:  # noqa: FBT001 - for anyio.run
    """Send it, then something good."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r", max_turns=5)
    async with serving(routes) as endpoint:
        response = await endpoint.handle(ask(name, route.key, stream=stream, body=body))
        await assert_well_formed(response)
        assert route.counters.calls == (response.status == 200)
        assert (route.waiting, route.fault) == (0, None)
        after = await endpoint.handle(ask(name, route.key, "another", stream=stream))
        assert b"answer" in await after.read()
        assert route.counters.refused == 0


async def assert_well_formed(response: Response) -> None:
    """It is an answer, or an error that a client's parser understands."""
    told = await response.read()
    if response.status == 200:
        assert told
        return
    assert response.status == 400, response.status
    error = json.loads(told)["error"]
    assert isinstance(error["message"], str)
    assert len(told) < 2000


def test_every_dialect_is_here() -> None:
    """What is searched is what is served."""
    assert sorted(NAMES) == sorted(dialect.name for dialect in DIALECTS)


HEAD = st.lists(
    st.sampled_from(
        [
            b"POST /v1/chat/completions HTTP/1.1\r\n",
            b"GET /v1/models HTTP/1.1\r\n",
            b"GET / HTTP/1.0\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"Host: x\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 5, 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Content-Encoding: br\r\n",
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"Connection: upgrade\r\n",
            b"Upgrade: h2c\r\n",
            b"Content-Type: application/json\r\n",
            b"Authorization: Bearer KEY\r\n",
            b"Cookie: a\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"{}",
            b"\x00",
            b" folded: x\r\n",
            b":\r\n",
            b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\n",
            b"A" * 9000,
            b"\xff\xfe",
        ]
    )
    | st.binary(max_size=8),
    max_size=14,
)


@pytest.mark.real_time
@pytest.mark.timeout(300)
def test_any_bytes_on_a_socket() -> None:
    """Whatever comes over a socket, what comes back is HTTP or nothing, quotes nothing, and others are served."""

    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=CALM)
    @given(HEAD)
    def check(pieces: list[bytes]) -> None:
        attempts.append(b"".join(pieces))

    attempts: list[bytes] = []
    check()
    anyio.run(try_all, attempts)


async def try_all(attempts: list[bytes]) -> None:
    """All of them on one server, whose state they must not change."""
    routes = Routes(Limits(idle_seconds=0.05, body_seconds=0.05))
    route = routes.open(quick, rollout_id="r")
    async with listening(routes) as server:
        for attempt in attempts:
            data = attempt.replace(b"KEY", route.key.encode())
            answer = await converse(server, data)
            assert answer == b"" or answer.startswith(b"HTTP/1."), (data, answer)
            assert route.key.encode() not in answer
            assert b"Traceback" not in answer
        calls = route.counters.calls
        assert f"answer {calls}".encode() in await converse(server, plain(route.key))
    assert len(routes) == 1


_: Callable[[str, bytes, bool], Awaitable[None]] = converse_in_memory
