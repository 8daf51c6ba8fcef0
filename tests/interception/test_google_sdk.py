"""Google: the real SDK as the client of the real server, over both of the HTTP libraries it may use."""

# pyright: reportUnknownMemberType=false
# The SDK's own types name a library for images that need not be there.

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import httpx2
import pytest
from google import genai
from google.genai import errors, types

from greenroom.interception import Limits, ModelError, Routes
from greenroom.interception.routes import Route
from greenroom.interception.server import Server
from greenroom.messages import (
    ChatMessage,
    Completion,
    Image,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)
from tests.interception.sdk import MARKS, always, hook, listing, nothing
from tests.interception.talk import HELLO, Fields, Owner, quick
from tests.interception.wiring import serving

pytestmark = MARKS

FULL = Completion(
    parts=(
        Thinking("hm\n\n: hm", "sig"),
        Text("let me see\u2028 " * 1000),
        ToolUse("a", "bash", '{"command": "ls"}'),
        ToolUse("b", "bash", '{"command": "cat é"}'),
    ),
    usage=Usage(10, 20, 3),
)
SCHEMA = types.Schema(type=types.Type.OBJECT, properties={"command": types.Schema(type=types.Type.STRING)})
BASH = types.Tool(function_declarations=[types.FunctionDeclaration(name="bash", description="d", parameters=SCHEMA)])
CONFIG = types.GenerateContentConfig(
    system_instruction="be good",
    tools=[BASH],
    max_output_tokens=9,
    stop_sequences=["END"],
    thinking_config=types.ThinkingConfig(include_thoughts=True),
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    safety_settings=[
        types.SafetySetting(
            category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE
        )
    ],
)
PLAIN = types.GenerateContentConfig(tools=[BASH])


@pytest.fixture(params=["aiohttp", "httpx"])
def library(request: pytest.FixtureRequest) -> str:
    """Which HTTP library the SDK uses."""
    return str(request.param)


@asynccontextmanager
async def agent(
    server: Server,
    key: str,
    library: str = "aiohttp",
    *,
    retries: int = 2,
    timeout: float = 30,
    on_response: Callable[[], None] = nothing,
) -> AsyncGenerator[genai.client.AsyncClient]:
    """The SDK, pointed at the server as agents are."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_end.append(hook(on_response))
    again = types.HttpRetryOptions(attempts=1 + retries, initial_delay=0.01, jitter=0.0)
    options = types.HttpOptions(base_url=server.base_url, retry_options=again, timeout=round(timeout * 1000))
    async with (
        httpx2.AsyncClient(trust_env=False, event_hooks={"response": [hook(on_response)]}) as http,
        aiohttp.ClientSession(trace_configs=[tracing]) as session,
    ):
        if library == "httpx":
            options.httpx_async_client = http
        else:
            options.aiohttp_client = session
        async with genai.Client(api_key=key, vertexai=False, http_options=options).aio as client:
            yield client


def parts(response: types.GenerateContentResponse) -> list[Fields]:
    """The parts of a response, as JSON."""
    assert response.candidates is not None
    found = response.candidates[0].content
    assert found is not None
    return [part.model_dump(exclude_none=True) for part in found.parts or []]


async def chunks(
    client: genai.client.AsyncClient, text: str = "hi", config: types.GenerateContentConfig = CONFIG
) -> list[types.GenerateContentResponse]:
    """What the SDK hands on of a stream."""
    return [
        chunk async for chunk in await client.models.generate_content_stream(model="m", contents=text, config=config)
    ]


async def test_one_piece_and_streamed_say_the_same(library: str) -> None:
    """Thoughts, text, parallel calls, finish reason and usage are the same from a stream and in one piece."""
    routes = Routes()
    one, many = (routes.open(always(FULL), rollout_id="r") for _ in range(2))
    async with (
        serving(routes) as server,
        agent(server, one.key, library) as first,
        agent(server, many.key, library) as second,
    ):
        whole = await first.models.generate_content(model="m", contents="hi", config=CONFIG)
        streamed = await chunks(second)
    thought, text, *calls = parts(whole)
    pieces = [part for chunk in streamed for part in parts(chunk)]
    assert (pieces[0], pieces[-2:]) == (thought, calls)
    assert "".join(part["text"] for part in pieces[1:-2]) == text["text"] == "let me see\u2028 " * 1000
    assert thought == {"text": "hm\n\n: hm", "thought": True, "thought_signature": b"sig"}
    assert [call["function_call"]["args"] for call in calls] == [{"command": "ls"}, {"command": "cat é"}]
    assert whole.candidates is not None
    assert whole.candidates[0].finish_reason == types.FinishReason.STOP
    assert streamed[-1].usage_metadata == whole.usage_metadata
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata.total_token_count, whole.usage_metadata.cached_content_token_count) == (30, 3)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_with_tools(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An answer the SDK keeps, whole or in its pieces, and sends back is to the model's owner what it was."""
    routes, owner = Routes(), Owner()
    owner.answer(FULL, HELLO)
    image = types.Part.from_bytes(data=b"\xff\xfe\xfb", mime_type="image/png")
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r").key) as client:
        chat = client.chats.create(model="m", config=CONFIG)
        results = [
            types.Part(function_response=types.FunctionResponse(id="a", name="bash", response={"output": "a.py"})),
            types.Part(function_response=types.FunctionResponse(id="b", name="bash", response={"error": "no"})),
        ]
        for message in (["hi", image], results):
            if stream:
                _ = [chunk async for chunk in await chat.send_message_stream(message)]
            else:
                await chat.send_message(message)
    call = owner.asked[1]
    assert call.messages == (
        ChatMessage("system", (Text("be good"),)),
        ChatMessage("user", (Text("hi"), Image("data:image/png;base64,//77"))),
        ChatMessage("assistant", FULL.parts),
        ChatMessage("tool", (ToolResult("a", (Text("a.py"),)),)),
        ChatMessage("tool", (ToolResult("b", (Text("no"),), is_error=True),)),
    )
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    assert call.tools == (Tool("bash", "d", schema),)
    assert call.sampling == Sampling(max_tokens=9, stop=("END",))


async def test_the_sdk_waits_for_a_slow_answer(library: str) -> None:
    """Bytes flow while the model's owner thinks, and the SDK takes none of them for a part of the answer."""
    routes, owner = Routes(Limits(keepalive=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r").key, library) as client:
        reading = asyncio.ensure_future(chunks(client, config=PLAIN))
        await owner.was_asked()
        await asyncio.wait({reading}, timeout=0.1)
        assert not reading.done()
        owner.answer()
        assert [chunk.text for chunk in await reading] == ["hello"]


async def test_an_answer_that_was_cut_short() -> None:
    """An answer that came to the limit of its length says so, streamed or not."""
    routes, owner = Routes(), Owner()
    cut = Completion(parts=(Text("and th"),), finish_reason="length")
    owner.answer(cut, cut)
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r").key) as client:
        for response in (await client.models.generate_content(model="m", contents="hi"), *await chunks(client)):
            assert response.text == "and th"
            assert response.candidates is not None
            assert response.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


async def test_a_timeout_and_its_retry_are_one_call(library: str) -> None:
    """An agent that loses patience, with or without a stream, and asks again gets the answer to its first request."""
    routes, owner = Routes(Limits(grace=60)), Owner()
    route = routes.open(owner, rollout_id="r")
    async with (
        serving(routes) as server,
        agent(server, route.key, library, retries=0, timeout=0.3) as hasty,
        agent(server, route.key, library, on_response=partial(owner.answer, FULL)) as patient,
    ):
        with pytest.raises((TimeoutError, httpx2.TimeoutException)):
            await chunks(hasty)
        with pytest.raises((TimeoutError, httpx2.TimeoutException)):
            await hasty.models.generate_content(model="m", contents="hi", config=CONFIG)
        answer = await chunks(patient)
    assert answer[-1].usage_metadata is not None
    assert (len(owner.asked), route.counters.calls, route.counters.joined) == (1, 1, 2)


async def test_a_cancelled_stream_cancels_its_answer(library: str) -> None:
    """When the agent goes away and does not come back, the owner's work is cancelled."""
    routes, owner = Routes(Limits(grace=0.01)), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r").key, library) as client:
        reading = asyncio.ensure_future(chunks(client))
        await owner.was_asked()
        reading.cancel()
        await asyncio.wait({reading})
        await asyncio.wait_for(owner.was_cancelled(), 10)


async def test_passing_failures_are_retried(library: str) -> None:
    """The SDK tries again after a passing failure, and its retries are one call."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    owner.answer(ModelError("unavailable", "secret"), HELLO)
    async with serving(routes) as server, agent(server, route.key, library) as client:
        assert (await client.models.generate_content(model="m", contents="hi")).text == "hello"
    assert (route.counters.calls, route.counters.restarted) == (1, 1)


async def test_lasting_failures_are_not(library: str) -> None:
    """The SDK gives up at once when the model cannot answer or the request makes no sense, and learns nothing more."""
    routes, owner = Routes(), Owner()
    owner.answer(ModelError("rejected", "secret", retryable=False))
    async with serving(routes) as server:
        async with agent(server, routes.open(owner, rollout_id="r").key, library) as client:
            with pytest.raises(errors.ClientError) as lasting:
                await client.models.generate_content(model="m", contents="hi")
            with pytest.raises(errors.ClientError, match="cachedContent: expected null"):
                await chunks(client, config=types.GenerateContentConfig(cached_content="cachedContents/x"))
        async with agent(server, "nope", library) as stranger:
            with pytest.raises(errors.ClientError) as refused:
                await stranger.models.generate_content(model="m", contents="hi")
            with pytest.raises(errors.ClientError) as unknown:
                await stranger.models.embed_content(model="m", contents="hi")
    assert (lasting.value.code, lasting.value.status) == (400, "INVALID_ARGUMENT")
    assert "secret" not in str(lasting.value)
    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")
    assert unknown.value.status == "UNIMPLEMENTED"
    assert len(owner.asked) == 1


@pytest.mark.parametrize(("retryable", "code"), [(True, 500), (False, 400)])
async def test_a_failure_within_a_stream(library: str, retryable: bool, code: int) -> None:  # noqa: FBT001
    """A failure after the stream has begun is raised from it, and says whether it may pass."""
    routes, owner = Routes(), Owner()
    async with serving(routes) as server, agent(server, routes.open(owner, rollout_id="r").key, library) as client:
        reading = asyncio.ensure_future(chunks(client))
        await owner.was_asked()
        owner.answer(ModelError("unavailable", "secret", retryable=retryable))
        with pytest.raises(errors.APIError) as error:
            await reading
    assert error.value.code == code
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_end_of_a_budget_is_an_answer(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """An agent that is out of context, or of calls, is told so in a plain last answer, and that marks the attempt."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r", max_turns=1)
    owner.answer(ModelError("context_length", "too long", 400, retryable=False))
    async with serving(routes) as server, agent(server, route.key) as client:
        texts = [
            (await chunks(client, text))[-1].text
            if stream
            else (await client.models.generate_content(model="m", contents=text)).text
            for text in ("one", "two")
        ]
    assert ["context window" in str(texts[0]), "limit of model calls" in str(texts[1])] == [True, True]
    assert route.truncated


async def test_a_script_answers(tmp_path: Path) -> None:
    """A script written for any agent drives one that speaks this dialect, its SDK calling the tools by itself."""
    ran: list[str] = []

    def bash(command: str) -> str:
        """Run a command."""
        ran.append(command)
        return "a.py"

    routes = Routes()
    route = routes.open(listing(tmp_path, 2), rollout_id="r")
    async with serving(routes) as server, agent(server, route.key) as client:
        config = types.GenerateContentConfig(tools=[bash])
        answer = await client.models.generate_content(model="m", contents="hi", config=config)
    assert (ran, answer.text, route.counters.calls) == (["ls", "ls"], "Solved.", 2)


async def test_the_list_of_models() -> None:
    """The one model there is can be listed and looked up, in the shape of this dialect."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r", model="qwen")
    async with serving(routes) as server, agent(server, route.key) as client:
        assert [model.name async for model in await client.models.list()] == ["models/qwen"]
        assert (await client.models.get(model="qwen")).display_name == "qwen"


async def test_counting_tokens_needs_no_model() -> None:
    """A count is an estimate that grows with the text, and no call."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as server, agent(server, route.key) as client:
        counts = [
            (await client.models.count_tokens(model="m", contents="x" * size)).total_tokens or 0 for size in (400, 800)
        ]
    assert counts[1] == counts[0] + 100
    assert route.counters.calls == 0


def keys(route: Route) -> list[tuple[Fields, Fields]]:
    """Headers and query of every way clients of this dialect present their key."""
    return [
        ({"x-goog-api-key": route.key}, {}),
        ({}, {"key": route.key}),
        ({"authorization": f"Bearer {route.key}"}, {}),
    ]


async def test_clients_that_are_not_the_sdk() -> None:
    """The key may be in a header or in the query, and a stream that is not asked for as events is an array."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    fields = {"contents": [{"parts": [{"text": "hi"}]}]}
    async with serving(routes) as server, httpx2.AsyncClient(base_url=server.base_url, trust_env=False) as http:
        for headers, query in keys(route):
            for version in ("v1", "v1beta"):
                path = f"/{version}/models/m:streamGenerateContent"
                reply = await http.post(path, json=fields, headers=headers, params=query)
                assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
                [chunk] = reply.json()
                assert chunk["candidates"][0]["content"]["parts"][0]["text"].startswith("answer ")
        refused = await http.post("/v1beta/models/m:generateContent", json=fields, params={"key": "nope"})
    assert refused.json()["error"]["status"] == "UNAUTHENTICATED"
