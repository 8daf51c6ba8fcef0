"""An agent's own provider over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from aiohttp import web

from greenroom.interception import ModelError, Request, Routes, model_for
from greenroom.interception.flow import Passed
from greenroom.interception.passage import Passage
from greenroom.interception.provider import BlackBoxModel
from greenroom.interception.valve import Valve
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import BlackBox, Dialect
from tests.interception.dialogue import NAMES, ask
from tests.interception.talk import serving
from tests.interception.test_replies import reply

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

KEY = "owner's-$(key)`x`"


@asynccontextmanager
async def provider(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """A provider on loopback; its address."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asking(url: str, key: str | None = KEY, timeout: float = 10.0) -> AsyncGenerator[BlackBoxModel]:
    """The black box that asks it."""
    with pytest.MonkeyPatch.context() as patch:
        if key is not None:
            patch.setenv("TEST_PROVIDER_KEY", key)
        spec = BlackBox(base_url=url, api_key_env=None if key is None else "TEST_PROVIDER_KEY", timeout=timeout)
        model = model_for(spec)
    assert isinstance(model, BlackBoxModel)
    try:
        yield model
    finally:
        await model.close()
        await model.close()


async def said(model: BlackBoxModel, dialect: Dialect, request: Request) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the provider's reply."""
    async with AsyncExitStack() as stack:
        reply = await model.ask(dialect, request, stack)
        return reply.status, dict(reply.headers), b"".join([piece async for piece in reply.pieces])


@pytest.mark.parametrize("name", NAMES)
async def test_the_owner_s_key_takes_the_place_of_the_agent_s(name: Dialect) -> None:
    """In every dialect the provider gets its own key where it looks for it, and nothing of the agent's."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(
            (request.path_qs, {field.lower(): text for field, text in request.headers.items()}, await request.read())
        )
        return web.Response(body=b"fine", headers={"Request-Id": "7", "Set-Cookie": "a=b", "Server": "theirs"})

    sent = ask(
        name, "AGENTS-KEY", x_api_key="AGENTS-KEY", x_goog_api_key="AGENTS-KEY", cookie="AGENTS-KEY", anthropic_beta="b"
    )
    sent.query["key"] = "AGENTS-KEY"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    async with provider(answer) as url, asking(f"{url}/v1") as model:
        status, headers, body = await said(model, name, sent)
    ((path, asked, content),) = seen
    assert (status, body, content) == (200, b"fine", sent.body)
    assert headers == {"content-type": "application/octet-stream", "request-id": "7"}
    assert "AGENTS-KEY" not in f"{path} {asked}"
    assert [field for field, text in asked.items() if KEY in text] in (
        [["authorization"]] if name in ("chat", "responses") else [["x-api-key"], ["x-goog-api-key"]]
    )
    assert asked["anthropic-beta"] == "b"


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions", "/v1/chat/completions"),
        ("", "/v1/messages", "/v1/messages"),
        ("/proxy", "/v1/messages", "/proxy/v1/messages"),
        ("/v1beta", "/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("/openai/v1", "/v1/responses", "/openai/v1/responses"),
    ],
)
async def test_where_requests_go(base: str, path: str, expected: str) -> None:
    """The base URL may end with the version or before it, and with a slash or without."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.path_qs)

    sent = Request(method="POST", path=path, headers={}, query={"beta": "true"}, body=b"{}")
    async with provider(answer) as url, asking(url + base) as model:
        assert (await said(model, "chat", sent))[2] == f"{expected}?beta=true".encode()


async def test_nothing_leads_elsewhere() -> None:
    """Dots in a path are not passed on, and a redirect is not followed: the key goes to the provider alone."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async with provider(answer) as url, asking(f"{url}/v1beta") as model:
        assert (await said(model, "chat", ask("chat")))[0] == 302
        for path in ("/v1beta/models/../files:generateContent", "/v1beta/models/./x:generateContent"):
            with pytest.raises(ModelError):
                await said(model, "google", Request(method="POST", path=path, headers={}, body=b"{}"))


async def test_providers_that_fail() -> None:
    """A provider that is not there, breaks off, or takes too long is a failure that quotes nothing."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return reply

    async with asking("http://127.0.0.1:9") as model:
        with pytest.raises(ModelError, match="ClientConnectorError"):
            await said(model, "chat", ask("chat"))
    async with provider(answer) as url, asking(url) as model:
        with pytest.raises(ModelError, match="the connection to the agent's provider failed"):
            await said(model, "chat", ask("chat"))
    async with asking("http://127.0.0.1:9") as model:
        with pytest.raises(ModelError, match="asked by its agent"):
            await model(ModelCall(id="", dialect="chat", model="", messages=()))


@pytest.mark.parametrize("wrong", ["", "  ", "a\nb", "é"])
async def test_keys_that_cannot_be_sent(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blank key, or one no header can hold, is refused when the engine is opened, without being quoted."""
    monkeypatch.setenv("TEST_PROVIDER_KEY", wrong)
    with pytest.raises(ValueError, match="TEST_PROVIDER_KEY") as caught:
        model_for(BlackBox(base_url="http://x", api_key_env="TEST_PROVIDER_KEY"))
    assert not wrong.strip() or wrong not in str(caught.value)
    with pytest.raises(ValueError, match="http"):
        model_for(BlackBox(base_url="ftp://x"))


@pytest.mark.parametrize("tail", [0.0, 0.2])
async def test_connections_are_used_again(tail: float) -> None:
    """An agent that hangs up at the last event costs no connection, though the reply is ended a little later."""
    peers: list[object] = []
    ended = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(reply("chat", Completion(parts=(Text("hello"),)), stream=True))
        await asyncio.sleep(tail)
        await response.write_eof()
        ended.set()
        return response

    routes, recorded = Routes(), list[Passed]()
    async with provider(answer) as url, asking(url) as model, serving(routes) as endpoint:
        passage = Passage(model, recorded.append, Valve().passed, None, turnstile=model.turnstile)
        route = routes.open(model, rollout_id="r", passage=passage)
        for number in (1, 2, 3):
            ended.clear()
            response = await endpoint.handle(ask("chat", route.key, str(number), stream=True))
            assert not isinstance(response.body, bytes)
            assert b"[DONE]" in await anext(response.body)
            await response.body.aclose()
            await asyncio.wait_for(ended.wait(), 10)
            await anyio.wait_all_tasks_blocked()
    assert len(recorded) == len(peers) == 3
    assert len(set(peers)) == 1
