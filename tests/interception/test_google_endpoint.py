"""Google at the endpoint: in memory, on both event loops and in virtual time."""

from __future__ import annotations

import json
from functools import partial

import anyio
import msgspec
import pytest

from greenroom.interception import Limits, Request, Response, Routes
from greenroom.interception.dialects import sse
from tests.interception.dialect_endpoint import after_half_an_hour
from tests.interception.talk import Fields, Owner, quick, serving

pytestmark = pytest.mark.anyio

WHOLE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
COUNT = "/v1beta/models/m:countTokens"
HELLO: Fields = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def ask(key: str, path: str = WHOLE, fields: Fields | bytes = HELLO, method: str = "POST", alt: str = "") -> Request:
    """A request that carries ``key`` in its headers, and asks for a stream of the kind ``alt``."""
    return Request(
        method=method,
        path=path,
        headers={"content-type": "application/json", "x-goog-api-key": key},
        body=fields if isinstance(fields, bytes) else json.dumps(fields).encode(),
        query={"alt": alt} if alt else {},
    )


async def told(response: Response) -> str:
    """The text of a reply, in one piece, as events or as an array."""
    body = await response.read()
    chunks: list[Fields] = [json.loads(event.data) for event in sse.Parser().feed(body)]
    if not chunks:
        # An object is one in one piece; an array is one that was streamed.
        chunks = msgspec.json.decode(body if body.startswith(b"[") else b"[%b]" % body, type=list[Fields])
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("alt", ["sse", "json", ""])
async def test_half_an_hour_is_not_too_long(alt: str) -> None:
    """A stream of either kind begins at once, never falls silent, and carries an answer that took thirty minutes."""
    pieces = await after_half_an_hour(partial(ask, path=STREAM, alt=alt))
    assert len(pieces) > 180
    assert await told(Response(status=200, headers={}, body=b"".join(pieces))) == "hello"


async def test_all_ways_to_ask_are_one_call() -> None:
    """The same request as a stream of either kind and in one piece joins the first while that is pending."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    found: list[str] = []

    async with serving(routes) as endpoint, anyio.create_task_group() as agents:

        async def agent(sent: Request) -> None:
            found.append(await told(await endpoint.handle(sent)))

        agents.start_soon(agent, ask(route.key))
        await owner.was_asked()
        agents.start_soon(agent, ask(route.key, STREAM))
        agents.start_soon(agent, ask(route.key, STREAM, alt="sse"))
        await anyio.wait_all_tasks_blocked()
        owner.answer()
    assert found == ["hello"] * 3
    assert (len(owner.asked), route.counters.joined) == (1, 2)


REFUSED: list[tuple[str, str, str, bytes, int, str]] = [
    ("GET", WHOLE, "", b"", 405, "UNIMPLEMENTED"),
    ("POST", "/v1beta/models/m:embedContent", "", b"{}", 405, "UNIMPLEMENTED"),
    ("POST", "/v1beta/files", "", b"{}", 404, "NOT_FOUND"),
    ("POST", WHOLE, "nobody", b"{}", 401, "UNAUTHENTICATED"),
    ("POST", WHOLE, "", b"x" * 2000, 413, "INVALID_ARGUMENT"),
    ("POST", STREAM, "", b"{", 400, "INVALID_ARGUMENT"),
    ("POST", COUNT, "", b"{", 400, "INVALID_ARGUMENT"),
    ("POST", COUNT, "", b'{"generateContentRequest": {"contents": []}}', 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("method", "path", "key", "body", "status", "kind"), REFUSED)
async def test_refusals_have_the_shape_of_the_dialect(
    method: str, path: str, key: str, body: bytes, status: int, kind: str
) -> None:
    """Whatever is refused, is so in the words of this dialect, with its status, and not to be tried again."""
    routes = Routes(Limits(body=1000))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        response = await endpoint.handle(ask(key or route.key, path, body, method))
        assert (response.status, response.headers["x-should-retry"]) == (status, "false")
        error = json.loads(await response.read())["error"]
    assert (error["code"], error["status"]) == (status, kind)


async def test_counting_a_whole_request() -> None:
    """A count of bare contents and one of a whole request are both understood, and the whole one is larger."""
    routes = Routes()
    key = routes.open(quick, rollout_id="r").key
    whole = {"generateContentRequest": {"model": "models/m", **HELLO, "systemInstruction": {"parts": [{"text": "be"}]}}}
    counts: list[int] = []
    async with serving(routes) as endpoint:
        for fields in (HELLO, whole):
            reply = await endpoint.handle(ask(key, COUNT, fields))
            counts.append(json.loads(await reply.read())["totalTokens"])
    assert 0 < counts[0] < counts[1]
