"""The passage: an agent's requests go to its own provider as they are, and greenroom reads along."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from greenroom.interception import Endpoint, Limits, ModelError, Request, Response, Routes
from greenroom.interception.flow import Passed, ProviderReply
from greenroom.interception.passage import Passage
from greenroom.interception.routes import Route
from greenroom.interception.valve import Valve
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
async def wired(provider: Here, max_turns: int | None = None, **limits: int) -> AsyncGenerator[Wiring]:
    """One attempt that talks to ``provider``."""
    routes, valve, owner = Routes(Limits(**limits)), Valve(), Owner()
    recorded: list[Passed] = []
    passage = Passage(provider, recorded.append, valve.passed, max_turns)
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
