"""The endpoint in memory: requests in, responses out, on both event loops and in virtual time."""

from __future__ import annotations

import json

import anyio
import pytest
from msgspec.structs import replace

from greenroom.interception import Endpoint, Limits, ModelError, Request, Response, Routes
from greenroom.interception.dialects import sse
from greenroom.interception.wire import Body
from greenroom.messages import Completion, ModelCall, Text
from tests.interception.talk import (
    HELLO,
    Fields,
    Owner,
    body,
    events,
    quick,
    reassemble,
    request,
    said,
    serving,
)

pytestmark = pytest.mark.anyio

STREAM: Fields = body(stream=True)


def stream_of(response: Response) -> Body:
    """The body of a response that is streamed."""
    assert not isinstance(response.body, bytes)
    return response.body


async def hang_up(endpoint: Endpoint, owner: Owner, sent: Request, times: int = 1) -> None:
    """Send a request and go away once its owner was asked."""
    async with anyio.create_task_group() as agent:
        agent.start_soon(endpoint.handle, sent)
        await owner.was_asked(times)
        await anyio.wait_all_tasks_blocked()
        agent.cancel_scope.cancel()


async def test_one_piece_and_streamed_say_the_same() -> None:
    """The same answer comes in one piece or as a stream, as the request asks for."""
    routes = Routes()
    async with serving(routes) as endpoint:
        whole, streamed = (routes.open(quick, rollout_id=name) for name in ("r", "r"))
        one = await endpoint.handle(request(whole.key))
        many = await endpoint.handle(request(streamed.key, {**STREAM, "stream_options": {"include_usage": True}}))
        assert one.headers["content-type"] == "application/json"
        assert many.headers["content-type"] == "text/event-stream"
        assert reassemble(events(await many.read())) == json.loads(await one.read())


async def test_a_stream_begins_before_there_is_an_answer() -> None:
    """The first event comes at once, harmless bytes keep the connection awake, and the whole answer ends it."""
    routes, owner = Routes(Limits(keepalive=10)), Owner()
    async with serving(routes) as endpoint:
        pieces = stream_of(await endpoint.handle(request(routes.open(owner, rollout_id="r").key, STREAM)))
        began = anyio.current_time()
        first = await anext(pieces)
        assert anyio.current_time() == began
        assert json.loads(events(first)[0])["choices"][0]["delta"]["role"] == "assistant"
        for number in range(1, 4):
            assert await anext(pieces) == sse.comment("keep-alive")
            assert anyio.current_time() - began == pytest.approx(10 * number)
        owner.answer()
        assert events(await anext(pieces))[-1] == "[DONE]"
        assert [piece async for piece in pieces] == []
        await pieces.aclose()


async def test_half_an_hour_is_not_too_long() -> None:
    """An agent gets an answer that took its owner thirty minutes."""

    async def slow(call: ModelCall) -> Completion:
        await anyio.sleep(1800)
        return HELLO

    routes = Routes()
    async with serving(routes) as endpoint:
        for fields in (body(), STREAM):
            response = await endpoint.handle(request(routes.open(slow, rollout_id="r").key, fields))
            assert b"hello" in await response.read()


async def test_a_retry_joins_the_first_request() -> None:
    """The same request, sent again while the first is pending, gets the same answer, and the owner is asked once."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    replies: list[str] = []

    async with serving(routes) as endpoint, anyio.create_task_group() as agents:

        async def agent(fields: Fields) -> None:
            response = await endpoint.handle(request(route.key, fields))
            replies.append((await response.read()).decode())

        agents.start_soon(agent, body())
        await owner.was_asked()
        agents.start_soon(agent, body())
        agents.start_soon(agent, STREAM)
        await anyio.wait_all_tasks_blocked()
        owner.answer()
    assert len(owner.asked) == 1
    assert len(replies) == 3
    assert all("hello" in reply for reply in replies)
    assert route.counters.joined == 2


async def test_an_agent_that_hangs_up_cancels_its_answer() -> None:
    """When nobody comes back within the grace, the owner's work is cancelled; that is nobody's fault."""
    routes, owner = Routes(Limits(grace=5)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        await hang_up(endpoint, owner, request(route.key))
        began = anyio.current_time()
        await owner.was_cancelled()
        assert anyio.current_time() - began == pytest.approx(5)
    assert route.fault is None


async def test_a_retry_within_the_grace_finds_its_answer_pending() -> None:
    """An agent that hangs up and asks again in time joins the answer it had asked for before."""
    routes, owner = Routes(Limits(grace=5)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        await hang_up(endpoint, owner, request(route.key))
        await anyio.sleep(4)
        async with anyio.create_task_group() as agent:

            async def again() -> None:
                assert said(await (await endpoint.handle(request(route.key))).read()) == "hello"

            agent.start_soon(again)
            await anyio.sleep(100)
            owner.answer()
    assert (len(owner.asked), owner.cancelled) == (1, 0)


async def test_an_answer_that_came_too_late_is_replayed() -> None:
    """An answer that was there when its agent was gone is given to the agent's next try, without asking again."""
    routes, owner = Routes(Limits(grace=5)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        await hang_up(endpoint, owner, request(route.key))
        owner.answer()
        await anyio.sleep(3600)
        for fields in (STREAM, body()):
            sent = request(route.key, fields, x_stainless_retry_count="1")
            assert b"hello" in await (await endpoint.handle(sent)).read()
    assert len(owner.asked) == 1


async def test_a_stream_that_was_cut_is_replayed() -> None:
    """A stream whose reader went away before its end does not count as delivered."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer()
    async with serving(routes) as endpoint:
        pieces = stream_of(await endpoint.handle(request(route.key, STREAM)))
        await anext(pieces)
        await anext(pieces)
        await pieces.aclose()
        assert said(await (await endpoint.handle(request(route.key))).read()) == "hello"
        assert len(owner.asked) == 1
        owner.answer(HELLO, HELLO)
        await endpoint.handle(request(route.key))
    assert len(owner.asked) == 2


async def test_a_stream_that_was_read_is_not_replayed() -> None:
    """A stream that was read to its end is delivered: the same request is then a call of its own."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(HELLO, HELLO)
    async with serving(routes) as endpoint:
        for _ in range(2):
            await (await endpoint.handle(request(route.key, STREAM))).read()
    assert len(owner.asked) == 2


async def test_the_same_call_keeps_its_id() -> None:
    """A call that failed and is asked for again has the same id and number, so that it can be recognised."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(ModelError("unavailable", "no"), HELLO)
    async with serving(routes) as endpoint:
        assert [(await endpoint.handle(request(route.key))).status for _ in range(2)] == [500, 200]
    assert owner.asked[0] == owner.asked[1]
    assert route.fault is None


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (ModelError("unavailable", "secret detail", 503), 500, "true"),
        (ModelError("rejected", "secret detail", 400, retryable=False), 400, "false"),
        (RuntimeError("secret detail"), 500, "true"),
    ],
)
async def test_a_failing_owner(error: Exception, status: int, again: str) -> None:
    """The agent learns whether to try again and nothing else; the original error is kept for the outcome."""
    routes, owner = Routes(), Owner()
    owner.answer(error, error)
    async with serving(routes) as endpoint:
        route = routes.open(owner, rollout_id="r")
        response = await endpoint.handle(request(route.key))
        told = await response.read()
        streamed = await (await endpoint.handle(request(route.key, STREAM))).read()
    assert (response.status, response.headers["x-should-retry"]) == (status, again)
    inner = json.loads(told)["error"]
    assert json.loads(events(streamed)[-1])["error"] == {**inner, "code": status}
    assert b"secret" not in told
    assert route.fault is not None
    assert error in (route.fault, route.fault.__cause__)


async def test_an_owner_who_returns_nonsense() -> None:
    """What is no completion is the model's fault, and the agent is told to try again."""

    async def nonsense(call: ModelCall) -> object:
        return {"text": "hi"}

    routes = Routes()
    async with serving(routes) as endpoint:
        route = routes.open(nonsense, rollout_id="r")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert (await endpoint.handle(request(route.key))).status == 500
    assert route.fault is not None
    assert "TypeError" in route.fault.message


async def test_text_that_utf8_cannot_hold() -> None:
    """A completion cut within a surrogate pair reaches the agent with a question mark, not as an error."""
    routes, owner = Routes(), Owner()
    owner.answer(Completion(parts=(Text("half \ud83d"),)))
    async with serving(routes) as endpoint:
        reply = await endpoint.handle(request(routes.open(owner, rollout_id="r").key))
        assert said(await reply.read()) == "half ?"


async def test_the_last_call_ends_politely() -> None:
    """Beyond its budget an agent gets a last word in its dialect, streamed or not, and the route is truncated."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r", max_turns=2)
    async with serving(routes) as endpoint:
        for number in range(2):
            assert (
                said(await (await endpoint.handle(request(route.key, body(str(number))))).read()) == f"answer {number}"
            )
        assert not route.truncated
        whole = json.loads(await (await endpoint.handle(request(route.key, body("3")))).read())
        stream = await (await endpoint.handle(request(route.key, {**body("4"), "stream": True}))).read()
    assert "limit of model calls" in whole["choices"][0]["message"]["content"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert reassemble(events(stream))["choices"][0] == whole["choices"][0]
    assert route.truncated
    assert route.fault is None


async def test_a_conversation_that_is_too_long_ends_politely() -> None:
    """When the context is used up, the agent gets a last word, and the route is truncated without a fault."""
    routes, owner = Routes(), Owner()
    owner.answer(ModelError("context_length", "8193 of 8192", 400, retryable=False))
    async with serving(routes) as endpoint:
        route = routes.open(owner, rollout_id="r")
        reply = await endpoint.handle(request(route.key))
        assert "context window" in said(await reply.read())
    assert route.truncated
    assert route.fault is None


async def test_an_answer_has_its_time() -> None:
    """An owner who never answers is given up after the stated time, and the agent is not asked to try again."""
    routes, owner = Routes(Limits(answer_seconds=7200)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        assert (await endpoint.handle(request(route.key))).status == 400
        assert anyio.current_time() >= 7200
    assert owner.cancelled == 1
    assert route.fault is not None
    assert route.fault.kind == "expired"


async def test_calls_beyond_the_bound_are_held() -> None:
    """So many calls of a route are with the model at once; the next are held, and one beyond all bounds is 429."""
    routes, owner = Routes(Limits(in_flight=2, requests=4)), Owner()
    route, neighbour = routes.open(owner, rollout_id="r"), routes.open(quick, rollout_id="n")
    statuses: list[int] = []

    async with serving(routes) as endpoint, anyio.create_task_group() as agents:

        async def agent(text: str) -> None:
            statuses.append((await endpoint.handle(request(route.key, body(text)))).status)

        for number in range(4):
            agents.start_soon(agent, str(number))
        await anyio.wait_all_tasks_blocked()
        assert (len(owner.asked), route.waiting) == (2, 4)
        assert (await endpoint.handle(request(route.key, body("one too many")))).status == 429
        assert (await endpoint.handle(request(neighbour.key))).status == 200
        owner.answer(*[HELLO] * 4)
    assert statuses == [200] * 4
    assert (route.waiting, len(owner.asked)) == (0, 4)


async def test_streams_count_until_they_are_closed() -> None:
    """An open stream is an open request, and a closed one gives its place back."""
    routes, owner = Routes(Limits(requests=1)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint:
        stream = stream_of(await endpoint.handle(request(route.key, STREAM)))
        assert (await endpoint.handle(request(route.key))).status == 429
        await stream.aclose()
        await stream.aclose()
        owner.answer()
        assert (await endpoint.handle(request(route.key))).status == 200


async def test_an_endpoint_that_stops_tells_its_agents() -> None:
    """Agents that wait when the endpoint stops, or come when it does not run, are told to try again."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    endpoint = Endpoint(routes)
    assert (await endpoint.handle(request(route.key))).status == 500
    async with anyio.create_task_group() as outer:

        async def agent() -> None:
            assert (await endpoint.handle(request(route.key))).status == 500

        async with anyio.create_task_group() as inner:
            await inner.start(endpoint.run)
            outer.start_soon(agent)
            await owner.was_asked()
            inner.cancel_scope.cancel()
    assert owner.cancelled == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("wrong"), 401),
        (request(""), 401),
        (Request(method="POST", path="/v1/chat/completions", headers={}, body=b"{}"), 401),
        (Request(method="POST", path="/v1/chat/completions", headers={"authorization": "Basic x"}, body=b"{}"), 401),
        (Request(method="GET", path="/v1/models", headers={}), 401),
        (Request(method="GET", path="/v1/chat/completions", headers={}), 405),
        (Request(method="POST", path="/v1/models", headers={}), 405),
        (Request(method="POST", path="/v1/embeddings", headers={}), 404),
        (Request(method="POST", path="/reset", headers={}), 404),
        (Request(method="POST", path="/health", headers={}), 404),
        (Request(method="GET", path="/../v1/models", headers={}), 404),
    ],
)
async def test_strangers_learn_nothing(sent: Request, status: int) -> None:
    """Without a key there is nothing but an error of the dialect's shape."""
    async with serving(Routes()) as endpoint:
        response = await endpoint.handle(sent)
        assert response.status == status
        assert set(json.loads(await response.read())["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("place", ["authorization", "x-api-key", "x-goog-api-key", "key"])
async def test_where_a_key_may_stand(place: str) -> None:
    """A key is taken from each of the headers SDKs send theirs in, and from the query, where Google's may stand."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r", model="qwen")
    headers = {place: f"bearer {route.key}" if place == "authorization" else route.key}
    query = {"key": headers.pop(place)} if place == "key" else {}
    async with serving(routes) as endpoint:
        sent = Request(method="GET", path="/v1/models", headers=headers, query=query)
        assert b"qwen" in await (await endpoint.handle(sent)).read()
        sent = Request(method="GET", path="/v1/models", headers=dict.fromkeys(headers, ""), query={"key": " "})
        assert (await endpoint.handle(sent)).status == 401


async def test_health_says_only_that_it_is_there() -> None:
    """Anybody may ask whether the server is there, and learns nothing else."""
    async with serving(Routes()) as endpoint:
        response = await endpoint.handle(Request(method="GET", path="/health", headers={}))
        assert json.loads(await response.read()) == {"status": "ok"}


@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"{}", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 900, {}, 400),
        (b" " * 1001, {}, 413),
        (b"{}", {"content_type": "text/plain"}, 415),
        (b"{}", {"content_type": ""}, 415),
        (json.dumps(body()).encode(), {"content_type": "Application/JSON; charset=utf-8"}, 200),
    ],
)
async def test_bad_requests_change_nothing(fields: bytes, headers: dict[str, str], status: int) -> None:
    """What is malformed, too large or of the wrong type is refused, counts as no call, and the next one is served."""
    routes = Routes(Limits(body=1000))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        assert (await endpoint.handle(request(route.key, fields, **headers))).status == status
        assert route.counters.calls == (status == 200)
        assert (await endpoint.handle(request(route.key, body("next")))).status == 200


async def test_a_key_is_revoked_while_the_body_is_on_its_way() -> None:
    """A request whose route ends before all of its body has come is not served any more."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")

    async def late(limit: int) -> bytes:
        routes.close(route)
        return json.dumps(body()).encode()

    sent = replace(request(route.key), body=late)
    async with serving(routes) as endpoint:
        assert (await endpoint.handle(sent)).status == 401
    assert owner.asked == []


async def test_no_rollout_reaches_another() -> None:
    """Calls and answers of many rollouts, asked in the same words at the same time, are never mixed up."""

    async def named(call: ModelCall) -> Completion:
        await anyio.sleep(int(call.rollout_id[1:]) % 7)
        return Completion(parts=(Text(call.rollout_id),))

    routes = Routes()
    async with serving(routes) as endpoint, anyio.create_task_group() as agents:

        async def agent(name: str) -> None:
            route = routes.open(named, rollout_id=name)
            assert said(await (await endpoint.handle(request(route.key))).read()) == name

        for number in range(100):
            agents.start_soon(agent, f"r{number}")
