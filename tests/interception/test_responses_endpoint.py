"""OpenAI Responses at the endpoint: in memory, on both event loops and in virtual time."""

from __future__ import annotations

import json

import pytest

from greenroom.interception import Request, Routes
from greenroom.interception.dialects import sse
from tests.interception.dialect_endpoint import after_half_an_hour, refusal
from tests.interception.talk import Fields, Owner, request, serving
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
    pieces = await after_half_an_hour(lambda key: request(key, hello(stream=True), RESPONSES))
    parser = sse.Parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
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
    found, again, error = await refusal(sent)
    assert (found, again, error["type"]) == (status, "false", kind)
