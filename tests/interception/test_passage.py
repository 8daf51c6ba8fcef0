"""The passage: an agent's requests go to its own provider as they are, and greenroom reads along."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from greenroom.interception import Endpoint, Limits, ModelError, Request, Response, Routes
from greenroom.interception.flow import Passed, ProviderReply
from greenroom.interception.passage import Passage
from greenroom.interception.routes import Route
from greenroom.interception.turnstile import Turnstile
from greenroom.interception.valve import Valve
from greenroom.interception.wire import Body
from greenroom.messages import Completion, Text
from greenroom.specs import Dialect
from tests.interception.dialogue import NAMES, ask, dialect_of
from tests.interception.talk import Owner, serving
from tests.interception.test_replies import reply

pytestmark = pytest.mark.anyio

HELLO = Completion(parts=(Text("hello"),))
KEY = "sk-OWNERS-KEY"


class Here:
    """A provider in memory: says these things, piece by piece, when it is let."""

    def __init__(self, status: int = 200, *pieces: bytes, error: ModelError | None = None) -> None:
        self.status = status
        self.pieces = pieces
        self.error = error
        self.asked: list[tuple[Dialect, Request]] = []
        self.open = 0
        self.going_on = anyio.Event()
        self.going_on.set()

    async def ask(self, dialect: Dialect, request: Request, stack: AsyncExitStack) -> ProviderReply:
        """Answers."""
        self.asked.append((dialect, request))
        self.open += 1
        stack.callback(self._closed)
        if self.error is not None and not self.pieces:
            raise self.error
        return ProviderReply(self.status, {"content-type": "text/x-mine", "request-id": "abc"}, self._pieces())

    def quotes_key(self, text: str) -> bool:
        """Whether the key is in it."""
        return KEY in text

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        for piece in self.pieces:
            yield piece
            await self.going_on.wait()
        if self.error is not None:
            raise self.error

    def _closed(self) -> None:
        self.open -= 1


class Wiring:
    """An endpoint whose one route leads to a provider."""

    def __init__(self, endpoint: Endpoint, routes: Routes, route: Route, passage: Passage, valve: Valve) -> None:
        self.endpoint = endpoint
        self.routes = routes
        self.route = route
        self.passage = passage
        self.valve = valve
        self.recorded: list[Passed] = []

    async def ask(self, name: str, text: str = "hi", *, stream: bool = False) -> Response:
        """A request of the agent's."""
        return await self.endpoint.handle(ask(name, self.route.key, text, stream=stream))


@asynccontextmanager
async def wired(provider: Here, max_turns: int | None = None, **options: Any) -> AsyncGenerator[Wiring]:  # noqa: ANN401 - options of all types
    """One attempt that talks to ``provider``."""
    routes, valve, owner = Routes(Limits()), Valve(), Owner()
    recorded: list[Passed] = []
    passage = Passage(provider, recorded.append, valve.passed, max_turns, **options)
    route = routes.open(owner, rollout_id="r", passage=passage, max_turns=max_turns)
    async with serving(routes) as endpoint:
        wiring = Wiring(endpoint, routes, route, passage, valve)
        wiring.recorded = recorded
        yield wiring
        with anyio.fail_after(5):
            await anyio.wait_all_tasks_blocked()
    assert (provider.open, passage.waiting, owner.asked) == (0, 0, [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_what_is_said_goes_through_word_for_word(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Bodies go both ways as they are, in every dialect; what was said is recorded, without tokens."""
    said = reply(name, HELLO, stream=stream)
    provider = Here(200, said[:10], said[10:])
    async with wired(provider) as agent:
        response = await agent.ask(name, "question", stream=stream)
        assert (response.status, response.headers["request-id"]) == (200, "abc")
        assert await response.read() == said
    ((dialect, request),) = provider.asked
    sent = ask(name, agent.route.key, "question", stream=stream)
    assert (dialect, request.path, request.body, request.query) == (name, sent.path, sent.body, sent.query)
    (passed,) = agent.recorded
    assert passed.completion.text == "hello"
    assert passed.completion.completion_token_ids is None
    assert passed.call.messages[-1].parts == (Text("question"),)
    assert agent.route.fault is None


async def test_a_stream_flows_while_it_is_written() -> None:
    """The agent gets the provider's first words before the last ones are said."""
    provider = Here(200, b"one", b"two")
    provider.going_on = anyio.Event()
    async with wired(provider) as agent:
        body = (await agent.ask("chat", stream=True)).body
        assert not isinstance(body, bytes)
        assert await anext(body) == b"one"
        assert agent.recorded == []
        provider.going_on.set()
        assert [piece async for piece in body] == [b"two"]
        await body.aclose()
        assert len(agent.recorded) == 1


async def test_side_requests_go_through_and_others_do_not() -> None:
    """The list of models is the provider's; a path that is of no dialect is not passed on, nor counted."""
    provider = Here(200, b'{"data":[]}')
    async with wired(provider) as agent:
        headers = {"authorization": f"Bearer {agent.route.key}"}
        listed = await agent.endpoint.handle(Request(method="GET", path="/v1/models", headers=headers))
        assert await listed.read() == b'{"data":[]}'
        for path in ("/v1/files", "/v1/organization/admin_api_keys", "/"):
            refused = await agent.endpoint.handle(Request(method="GET", path=path, headers=headers))
            assert refused.status == 404
    assert len(provider.asked) == 1
    assert (agent.recorded, agent.passage.calls) == ([], 0)


async def test_what_we_cannot_read_is_passed_on_all_the_same() -> None:
    """A body that is none of ours to understand is the provider's to judge."""
    provider = Here(200, b"fine")
    async with wired(provider) as agent:
        response = await agent.endpoint.handle(ask("chat", agent.route.key, body=b'{"unheard": "of"}'))
        assert await response.read() == b"fine"
    (passed,) = agent.recorded
    assert (passed.call.messages, passed.completion.parts) == ((), ())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_call_ends_politely(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Beyond its budget the provider is not asked; the agent gets a last word, and the route is truncated."""
    provider = Here(200, reply(name, HELLO, stream=stream))
    async with wired(provider, max_turns=2) as agent:
        for _ in range(2):
            await (await agent.ask(name, stream=stream)).read()
        assert not agent.route.truncated
        last = await (await agent.ask(name, stream=stream)).read()
        assert b"limit of model calls" in last
    assert len(provider.asked) == 2
    assert agent.route.truncated


async def test_errors_are_the_provider_s() -> None:
    """What the provider refuses is told as it says it, is no turn, costs no budget, and is on record as a fault."""
    provider = Here(529, b'{"type":"error","error":{"type":"overloaded_error"}}')
    async with wired(provider, max_turns=1) as agent:
        for _ in range(3):
            response = await agent.ask("anthropic")
            assert (response.status, await response.read()) == (529, provider.pieces[0])
        assert agent.route.fault is not None
        assert agent.route.fault.status == 529
        provider.status = 200
        await (await agent.ask("anthropic")).read()
        assert agent.route.fault is None
    assert len(agent.recorded) == 1


@pytest.mark.parametrize(("status", "body"), [(401, b"no"), (403, b"no"), (400, b"Incorrect API key: " + KEY.encode())])
async def test_the_owner_s_key_is_not_quoted(status: int, body: bytes) -> None:
    """An error about the key, or one that quotes it, is told in our own words."""
    async with wired(Here(status, body)) as agent:
        response = await agent.ask("chat")
        told = await response.read()
    assert response.status == 400
    assert json.loads(told)["error"]["message"] == "The model cannot answer this request."


async def test_a_conversation_that_is_too_long_truncates() -> None:
    """The agent gets the provider's error, and the attempt counts as cut short, not as failed."""
    body = b'{"error": {"code": "context_length_exceeded"}}'
    async with wired(Here(400, body)) as agent:
        assert await (await agent.ask("chat")).read() == body
        assert (agent.route.truncated, agent.route.fault) == (True, None)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_is_not_there(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """Without a response the agent is told to try again; what happened is on record."""
    async with wired(Here(error=ModelError("unreachable", "secret"))) as agent:
        response = await agent.ask("chat", stream=stream)
        assert (response.status, response.headers["x-should-retry"]) == (500, "true")
        assert b"secret" not in await response.read()
        assert agent.route.fault is not None
    assert (agent.recorded, agent.passage.calls) == ([], 0)


async def test_a_reply_that_breaks_off_breaks_off() -> None:
    """Half a reply is no turn; the agent's connection ends as the provider's did."""
    async with wired(Here(200, b"half", error=ModelError("unreachable", "x"))) as agent:
        body = (await agent.ask("chat", stream=True)).body
        assert not isinstance(body, bytes)
        assert await anext(body) == b"half"
        with pytest.raises(ConnectionResetError):
            await anext(body)
        await body.aclose()
    assert (agent.recorded, agent.passage.calls) == ([], 0)


async def test_an_agent_that_hangs_up() -> None:
    """When the agent goes away, so does the request to its provider, before the reply or in the middle of it."""
    provider = Here(200, *[b"x"] * 100)
    async with wired(provider) as agent:
        body = (await agent.ask("chat", stream=True)).body
        assert not isinstance(body, bytes)
        await anext(body)
        await body.aclose()
        await anyio.wait_all_tasks_blocked()
        assert provider.open == 0
        agent.valve.pause()
        with anyio.move_on_after(10):
            await agent.ask("chat")
        await anyio.wait_all_tasks_blocked()
        assert (agent.passage.waiting, agent.passage.calls) == (0, 0)


async def test_a_pause_holds_requests_open() -> None:
    """While calls are held back the provider is not asked."""
    provider = Here(200, b"fine")
    async with wired(provider) as agent, anyio.create_task_group() as tasks:

        async def request() -> None:
            assert await (await agent.ask("chat")).read() == b"fine"

        agent.valve.pause()
        tasks.start_soon(request)
        await anyio.sleep(1000)
        assert provider.asked == []
        agent.valve.resume()


async def test_the_attempt_s_end_hangs_up() -> None:
    """When the attempt ends, requests that are with the provider are given up and its agent is told."""
    provider = Here(200, b"one", b"two")
    provider.going_on = anyio.Event()
    async with wired(provider) as agent:
        body = (await agent.ask("chat", stream=True)).body
        assert not isinstance(body, bytes)
        await anext(body)
        agent.routes.close(agent.route)
        with pytest.raises(ConnectionResetError):
            await anext(body)
        await body.aclose()
        assert (await agent.ask("chat")).status == 401


async def test_an_endpoint_that_does_not_run_passes_nothing_on() -> None:
    """Before the endpoint runs, agents are told to try again."""
    routes = Routes()
    passage = Passage(Here(), lambda _: None, Valve().passed, None)
    route = routes.open(Owner(), rollout_id="r", passage=passage)
    assert (await Endpoint(routes).handle(ask("chat", route.key))).status == 500
    assert passage.waiting == 0
    assert dialect_of("chat").name == "chat"


# ------------------------------------------------------------------------------------------------------- how it ends


def last_piece(name: str) -> tuple[bytes, bytes]:
    """A stream, cut before its last event."""
    whole = reply(name, HELLO, stream=True)
    cut = whole.rstrip(b"\n").rindex(b"\n\n") + 2
    return whole[:cut], whole[cut:]


async def next_piece(response: Response) -> bytes:
    """The next piece of a streamed reply."""
    assert not isinstance(response.body, bytes)
    return await anext(response.body)


async def hang_up(response: Response) -> None:
    """The agent goes away."""
    assert not isinstance(response.body, bytes)
    await response.body.aclose()


@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_that_has_its_answer_has_had_its_turn(name: str) -> None:
    """A provider that does not end its reply after the last event costs no turn: it is recorded, and counts."""
    provider = Here(200, *last_piece(name), b"")
    async with wired(provider, max_turns=2) as agent:
        for number in (1, 2):
            provider.going_on = anyio.Event()
            provider.going_on.set()
            response = await agent.ask(name, f"question {number}", stream=True)
            await next_piece(response)
            provider.going_on = anyio.Event()
            await next_piece(response)
            await hang_up(response)
            assert [passed.completion.text for passed in agent.recorded] == ["hello"] * number
        assert b"limit of model calls" in await (await agent.ask(name, "more", stream=True)).read()
        assert (agent.passage.fault, agent.passage.truncated) == (None, True)
        await anyio.sleep(10)
    assert len(provider.asked) == 2


async def test_a_turn_is_recorded_before_its_last_event_is_passed_on() -> None:
    """When the agent has the last event its turn is on record already, though the provider goes on."""
    provider = Here(200, reply("chat", HELLO, stream=True), b": bye\n\n")
    provider.going_on = anyio.Event()
    async with wired(provider) as agent:
        response = await agent.ask("chat", stream=True)
        await next_piece(response)
        assert len(agent.recorded) == 1
        provider.going_on.set()
        assert await next_piece(response) == b": bye\n\n"
        await hang_up(response)
    assert len(agent.recorded) == 1


async def test_usage_after_the_finish_is_recorded() -> None:
    """What chat tells between the finish and ``[DONE]`` is part of the turn."""
    finish = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n'
    async with wired(Here(200, finish, usage, b"data: [DONE]\n\n")) as agent:
        await (await agent.ask("chat", stream=True)).read()
        (passed,) = agent.recorded
        assert passed.completion.usage.prompt_tokens == 7


@pytest.mark.parametrize("how", ["the agent hangs up", "the attempt ends"])
async def test_a_finish_without_a_last_event(how: str) -> None:
    """Where the provider leaves out ``[DONE]`` and does not end, the turn counts once its agent is gone."""
    provider = Here(200, b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n', b"")
    provider.going_on = anyio.Event()
    async with wired(provider) as agent:
        response = await agent.ask("chat", stream=True)
        await next_piece(response)
        if how == "the attempt ends":
            assert [passed.completion.text for passed in agent.passage.settle()] == ["a"]
            agent.routes.close(agent.route)
        await hang_up(response)
        assert [passed.completion.text for passed in agent.recorded] == ["a"] * (how == "the agent hangs up")
        assert agent.passage.settle() == []


async def test_a_provider_that_breaks_off_after_the_last_event() -> None:
    """Nothing was lost: the turn counts, the agent's reply ends as it should, and nobody is at fault."""
    said = reply("chat", HELLO, stream=True)
    async with wired(Here(200, said, error=ModelError("unreachable", "x"))) as agent:
        assert await (await agent.ask("chat", stream=True)).read() == said
        assert (len(agent.recorded), agent.route.fault) == (1, None)


async def test_the_rest_of_a_reply_is_read() -> None:
    """A provider that ends a moment after the last event is read to its end: its connection is used again."""
    ended: list[bool] = []

    class Slow(Here):
        async def _pieces(self) -> AsyncGenerator[bytes, None]:
            yield reply("chat", HELLO, stream=True)
            await anyio.sleep(0.3)
            ended.append(True)

    provider = Slow(200)
    async with wired(provider) as agent:
        response = await agent.ask("chat", stream=True)
        await next_piece(response)
        await hang_up(response)
        await anyio.sleep(0.5)
        assert (ended, provider.open) == ([True], 0)
        provider._pieces = Here(200, reply("chat", HELLO, stream=True), b"")._pieces  # type: ignore[method-assign]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_within_an_answer_is_a_failure(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An error that comes with status 200 is passed on, is no turn, costs no budget, and is on record as a fault."""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'
    provider = Json(200, b"event: error\ndata: " + body + b"\n\n" if stream else body)
    async with wired(provider, max_turns=1) as agent:
        for _ in range(3):
            assert await (await agent.ask("anthropic", stream=stream)).read() == provider.pieces[0]
            assert agent.route.fault is not None
            assert agent.route.fault.message == "the agent's provider failed within its answer: overloaded_error"
        assert (agent.recorded, agent.passage.calls) == ([], 0)
        provider.pieces = (reply("anthropic", HELLO, stream=stream),)
        await (await agent.ask("anthropic", stream=stream)).read()
        assert (agent.route.fault, len(agent.recorded)) == (None, 1)


class Json(Here):
    """A provider that says what it sends."""

    async def ask(self, dialect: Dialect, request: Request, stack: AsyncExitStack) -> ProviderReply:
        """Answers."""
        found = await super().ask(dialect, request, stack)
        return ProviderReply(found.status, {"content-type": "application/json"}, found.pieces)


async def test_a_conversation_that_is_too_long_within_an_answer() -> None:
    """An overflow that is told within a stream truncates, as one that comes with its status does."""
    body = b'data: {"error": {"code": "context_length_exceeded", "message": "too long"}}\n\n'
    async with wired(Here(200, body)) as agent:
        assert await (await agent.ask("chat", stream=True)).read() == body
        assert (agent.route.truncated, agent.route.fault, agent.recorded) == (True, None, [])


async def test_side_requests_blame_nobody() -> None:
    """A list of models or a count of tokens that the provider has not, or fails at, says nothing of the model."""
    async with wired(Here(404, b"no")) as agent:
        headers = {"authorization": f"Bearer {agent.route.key}"}
        for path in ("/v1/models", "/v1/models/m"):
            assert (await agent.endpoint.handle(Request(method="GET", path=path, headers=headers))).status == 404
        count = Request(
            method="POST",
            path="/v1/messages/count_tokens",
            headers={**headers, "content-type": "application/json"},
            body=b"{}",
        )
        assert (await agent.endpoint.handle(count)).status == 404
        assert (agent.route.fault, agent.passage.called) == (None, False)
    async with wired(Here(error=ModelError("unreachable", "x"))) as agent:
        headers = {"authorization": f"Bearer {agent.route.key}"}
        assert (await agent.endpoint.handle(Request(method="GET", path="/v1/models", headers=headers))).status == 500
        assert agent.route.fault is None


async def test_agents_that_leave_before_the_last_word() -> None:
    """Reading an answer up to its last word and leaving counts, once however often the same is asked."""
    provider = Here(200, *last_piece("anthropic"))
    provider.going_on = anyio.Event()
    async with wired(provider, max_turns=3) as agent:
        for text in ("a", "a", "b", "a", "b"):
            response = await agent.ask("anthropic", text, stream=True)
            await next_piece(response)
            await hang_up(response)
        assert agent.passage.calls == 2
        provider.going_on.set()
        await (await agent.ask("anthropic", "c", stream=True)).read()
        assert b"limit of model calls" in await (await agent.ask("anthropic", "d", stream=True)).read()
        await (await agent.ask("anthropic", "b", stream=True)).read()
    assert agent.passage.calls == 3
    assert len(agent.recorded) == 2


async def read_into(got: list[bytes], body: Body) -> None:
    """Keep what comes, until it breaks off."""
    async for piece in body:
        got.append(piece)  # noqa: PERF401 - a comprehension that fails leaves nothing


@pytest.mark.parametrize("cut", [0, 9, 15])
async def test_a_key_is_not_quoted_within_an_answer(cut: int) -> None:
    """A reply that quotes the owner's key is broken off before the agent has it."""
    said = b'data: {"error":{"message":"bad key sk-OWNERS-KEY"}}\n\n'
    pieces = [said[: said.index(b"KEY") + 3 - cut], said[said.index(b"KEY") + 3 - cut :]]
    async with wired(Here(200, *pieces)) as agent:
        body = (await agent.ask("chat", stream=True)).body
        assert not isinstance(body, bytes)
        got: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            await read_into(got, body)
        await body.aclose()
        assert KEY.encode() not in b"".join(got)
        assert agent.route.fault is not None


# ------------------------------------------------------------------------------------------- a provider that is busy


class Busy(Here):
    """A provider that asks for a minute's peace."""

    async def ask(self, dialect: Dialect, request: Request, stack: AsyncExitStack) -> ProviderReply:
        """Says so."""
        found = await super().ask(dialect, request, stack)
        return ProviderReply(found.status, {"retry-after": "60"} if found.status == 429 else {}, found.pieces)


async def test_a_provider_s_wait_is_everybody_s() -> None:
    """While it wants to be left alone, requests of other rollouts are held; the answer of 429 itself is passed on."""
    provider, turnstile, began = Busy(429, b"slow down"), Turnstile(), anyio.current_time()
    async with wired(provider, turnstile=turnstile, rollout_id="a") as one:
        assert (await one.ask("chat")).status == 429
        provider.status, provider.pieces = 200, (reply("chat", HELLO, stream=False),)
        async with wired(provider, turnstile=turnstile, rollout_id="b") as other:
            assert await (await other.ask("chat")).read() == provider.pieces[0]
            assert 60 <= anyio.current_time() - began <= 66


async def test_a_wait_that_is_too_long_for_a_passage() -> None:
    """A request of a rollout that ends before is refused at once, without troubling the provider."""
    provider, turnstile = Busy(429, b"slow down"), Turnstile()
    async with wired(provider, turnstile=turnstile, rollout_id="a", ends=anyio.current_time() + 30) as agent:
        assert (await agent.ask("chat")).status == 429
        assert (await agent.ask("chat")).status == 400
        assert agent.route.fault is not None
        assert "left alone for" in agent.route.fault.message
    assert len(provider.asked) == 1


@pytest.mark.parametrize("status", [429, 503, 200])
async def test_a_provider_that_fails_is_asked_eight_times(status: int) -> None:
    """An agent that never gives up costs its provider eight requests, whether status or stream tells of the failure."""
    failing = b'data: {"error": {"code": 503}}\n\n'
    provider, turnstile = Here(status, failing), Turnstile()
    for attempt in (1, 2):
        async with wired(provider, turnstile=turnstile, rollout_id="r") as agent:
            for _ in range(20):
                await (await agent.ask("chat", stream=True)).read()
            assert agent.route.fault is not None, attempt
            assert not agent.route.fault.retryable
    assert len(provider.asked) == 8
