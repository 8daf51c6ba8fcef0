"""OpenAI Responses at the endpoint: in memory, on both event loops and in virtual time."""

from __future__ import annotations

import json

import anyio
import pytest

from greenroom.interception import Limits, Request, Routes
from greenroom.interception.dialects import sse
from tests.interception.talk import Fields, Owner, quick, request, serving
from tests.interception.test_responses_reply import reassemble

pytestmark = pytest.mark.anyio

RESPONSES = "/v1/responses"
COUNT = "/v1/responses/input_tokens"


def hello(**more: object) -> Fields:
    """A request as codex sends it."""
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    return {"model": "m", "input": items, "store": False, **more}


async def test_half_an_hour_is_not_too_long() -> None:
    """A stream begins at once, never falls silent, and carries the whole answer when that takes thirty minutes."""
    routes, owner = Routes(Limits(keepalive=10)), Owner()
    events: list[sse.ServerSentEvent] = []

    async def think() -> None:
        await owner.was_asked()
        await anyio.sleep(1800)
        owner.answer()

    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        tasks.start_soon(think)
        sent = request(routes.open(owner, rollout_id="r").key, hello(stream=True), RESPONSES)
        response = await endpoint.handle(sent)
        assert not isinstance(response.body, bytes)
        parser, last = sse.Parser(), anyio.current_time()
        async for piece in response.body:
            assert anyio.current_time() - last <= 10
            last = anyio.current_time()
            events += parser.feed(piece)
        await response.body.aclose()
    assert [event.name for event in events[:3]] == ["response.created", *["response.in_progress"] * 2]
    assert reassemble(events)["output"][0]["content"][0]["text"] == "hello"


async def test_a_stream_that_was_cut_is_replayed() -> None:
    """An agent that loses a stream and asks again, its fields in another order, gets the same answer."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer()
    async with serving(routes) as endpoint:
        first = hello(stream=True, client_metadata={"a": "1", "b": "2"})
        response = await endpoint.handle(request(route.key, first, RESPONSES))
        assert not isinstance(response.body, bytes)
        await anext(response.body)
        await anext(response.body)
        await response.body.aclose()
        again = hello(client_metadata={"b": "2", "a": "1"})
        whole = await (await endpoint.handle(request(route.key, again, RESPONSES))).read()
    assert json.loads(whole)["output"][0]["content"][0]["text"] == "hello"
    assert (len(owner.asked), route.counters.replayed) == (1, 1)


REFUSED: list[tuple[Request, int, str]] = [
    (Request(method="GET", path=RESPONSES, headers={}), 405, "invalid_request_error"),
    (request("nobody", hello(), RESPONSES), 401, "authentication_error"),
    (request("", hello(), RESPONSES, content_type="text/plain"), 415, "invalid_request_error"),
    (request("", b"x" * 2000, RESPONSES), 413, "invalid_request_error"),
    (request("", b"{", RESPONSES), 400, "invalid_request_error"),
    (request("", b"{", COUNT), 400, "invalid_request_error"),
    (Request(method="GET", path="/v1/responses/resp_1", headers={}), 404, "not_found_error"),
]


@pytest.mark.parametrize(("sent", "status", "kind"), REFUSED)
async def test_refusals_have_the_shape_of_the_dialect(sent: Request, status: int, kind: str) -> None:
    """Whatever is refused, is so in the words of this dialect, with its status, and not to be tried again."""
    routes = Routes(Limits(body=1000))
    headers = {"x-api-key": routes.open(quick, rollout_id="r").key, **sent.headers}
    if headers.get("authorization") == "Bearer ":
        del headers["authorization"]
    async with serving(routes) as endpoint:
        response = await endpoint.handle(Request(method=sent.method, path=sent.path, headers=headers, body=sent.body))
        assert (response.status, response.headers["x-should-retry"]) == (status, "false")
        assert json.loads(await response.read())["error"]["type"] == kind
