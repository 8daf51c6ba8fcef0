"""Anthropic Messages at the endpoint: in memory, on both event loops and in virtual time."""

from __future__ import annotations

import anyio
import pytest

from greenroom.interception import Limits, Request, Routes
from greenroom.interception.dialects import sse
from tests.interception.dialect_endpoint import after_half_an_hour, refusal
from tests.interception.talk import Fields, Owner, request, serving
from tests.interception.test_anthropic_reply import reassemble

pytestmark = pytest.mark.anyio

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
VERSION = {"anthropic-version": "2023-06-01"}
BILLING = "x-anthropic-billing-header: cc_version=2.1.197.{}; cc_entrypoint=sdk-cli;"


def hello(build: str = "1", **more: object) -> Fields:
    """A request as Claude Code sends it: with a block that says which build it is."""
    system = [{"type": "text", "text": BILLING.format(build)}, {"type": "text", "text": "be good"}]
    messages = [{"role": "user", "content": "hi"}, {"role": "system", "content": "tools: none"}]
    return {"model": "m", "max_tokens": 9, "system": system, "messages": messages, **more}


async def test_half_an_hour_is_not_too_long() -> None:
    """A stream begins at once, never falls silent, and carries the whole answer when that takes thirty minutes."""
    pieces = await after_half_an_hour(lambda key: request(key, hello(stream=True), MESSAGES))
    parser = sse.Parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert [event.name for event in events[:3]] == ["message_start", "ping", "message_delta"]
    assert reassemble(events)["content"] == [{"type": "text", "text": "hello"}]


async def test_another_build_asks_for_the_same_call() -> None:
    """A request that differs in its billing block, and in whether it streams, joins the one that is pending."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        tasks.start_soon(endpoint.handle, request(route.key, hello("1"), MESSAGES))
        await owner.was_asked()
        streamed = await endpoint.handle(request(route.key, hello("2", stream=True), MESSAGES))
        owner.answer()
        assert b"message_stop" in await streamed.read()
    assert (len(owner.asked), route.counters.calls, route.counters.joined) == (1, 1, 1)
    assert "billing" not in str(owner.asked[0])


REFUSED: list[tuple[Request, int, str]] = [
    (Request(method="POST", path="/v1/messages/batches", headers=VERSION), 404, "not_found_error"),
    (Request(method="GET", path=COUNT, headers={}), 405, "invalid_request_error"),
    (request("nobody", hello(), COUNT), 401, "authentication_error"),
    (request("", hello(), COUNT, content_type="text/plain"), 415, "invalid_request_error"),
    (request("", b"x" * 2000, COUNT), 413, "request_too_large"),
    (request("", b"{", COUNT), 400, "invalid_request_error"),
    (request("", b"{", MESSAGES), 400, "invalid_request_error"),
]


@pytest.mark.parametrize(("sent", "status", "kind"), REFUSED)
async def test_refusals_have_the_shape_of_the_dialect(sent: Request, status: int, kind: str) -> None:
    """Whatever is refused, is so in the words of this dialect, with its status, and not to be tried again."""
    found, again, error = await refusal(sent)
    assert (found, again, error["type"]) == (status, "false", kind)


async def test_counting_is_bounded_like_calls() -> None:
    """Counts do not get past the limit of open requests, and are answered again once there is room."""
    routes, owner = Routes(Limits(requests=1)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        tasks.start_soon(endpoint.handle, request(route.key, hello(), MESSAGES))
        await owner.was_asked()
        assert (await endpoint.handle(request(route.key, hello(), COUNT))).status == 429
        owner.answer()
        await anyio.wait_all_tasks_blocked()
        assert (await endpoint.handle(request(route.key, hello(), COUNT))).status == 200
