"""Seeded secrets are searched for in everything the room says."""

from __future__ import annotations

import json
import urllib.parse

import pytest

from greenroom.interception import Limits, ModelError, Request, Routes
from greenroom.messages import Completion, ModelCall
from tests.interception.talk import body, request, serving
from tests.interception.wiring import converse, plain
from tests.interception.wiring import serving as listening_server

pytestmark = pytest.mark.anyio

NEEDLES = ("needle-$(reboot)", 'needle"quoted"', "needle'`tick`'", "needle\nnew\r\nline", "needle\\back", "needle é")


def traces(needle: str) -> set[str]:
    """The secret as it might be written: plainly, escaped, encoded; and its one word that nothing changes."""
    return {needle, repr(needle), json.dumps(needle), urllib.parse.quote(needle), "needle"}


def assert_clean(said: bytes | str) -> None:
    """Nothing of any secret is in what was said."""
    text = said if isinstance(said, str) else said.decode(errors="replace")
    assert not [trace for needle in NEEDLES for trace in traces(needle) if trace in text], text


async def explode(call: ModelCall) -> Completion:
    """A model whose error says everything."""
    raise RuntimeError(*NEEDLES)


async def refuse(call: ModelCall) -> Completion:
    """A model that fails for good, and says why."""
    raise ModelError("rejected", " ".join(NEEDLES), 400, retryable=False)


async def stall(call: ModelCall) -> Completion:
    """A model that fails for now, and says why."""
    raise ModelError("unavailable", " ".join(NEEDLES), 503)


@pytest.mark.parametrize("answer", [explode, refuse, stall])
async def test_what_a_model_says_stays_here(answer: object) -> None:
    """Whatever a model's error says, none of it is in any header or body its agent gets, streamed or not."""
    routes = Routes()
    async with serving(routes) as endpoint:
        route = routes.open(answer, rollout_id="r")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for fields in (body(), body(stream=True)):
            response = await endpoint.handle(request(route.key, fields))
            assert_clean(repr(response.headers))
            assert_clean(await response.read())


@pytest.mark.parametrize("needle", NEEDLES)
async def test_what_an_agent_sends_is_not_quoted(needle: str) -> None:
    """Keys, paths, field names and values of a refused request are not repeated in the refusal."""
    routes = Routes(Limits(body=10_000))
    route = routes.open(explode, rollout_id=needle)
    bad = [
        request(needle),
        request(route.key, path=f"/{needle}"),
        request(route.key, content_type=needle),
        request(route.key, needle.encode()),
        request(route.key, {needle: needle}),
        request(route.key, body(messages=[{"role": needle}])),
        request(route.key, body(messages=[{"role": "user", "content": [{"type": needle}]}])),
        request(route.key, body(temperature=needle)),
        request(route.key, body(tools=[needle])),
        request(route.key, body(needle * 10_000)),
        Request(method=needle, path="/v1/models", headers={"x-api-key": needle}),
    ]
    async with serving(routes) as endpoint:
        for one in bad:
            response = await endpoint.handle(one)
            assert response.status >= 400
            assert_clean(repr(response.headers))
            assert_clean(await response.read())


async def test_what_holds_a_key_does_not_show_it() -> None:
    """Neither a route nor a request shows its key when it is printed."""
    route = Routes().open(explode, rollout_id="r")
    assert route.key not in f"{route!r} {route} {request(route.key)!r}"


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_defect_of_ours_says_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Should the server itself fail, the agent gets a generic error, and the log the kind of error without its text."""

    async def broken(request: object) -> None:
        raise KeyError(*NEEDLES)

    async with listening_server(Routes()) as server:
        monkeypatch.setattr(server.endpoint, "handle", broken)
        answer = await converse(server, plain("needle"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert_clean(answer)
    assert "KeyError" in str([record.__dict__ for record in caplog.records])
    assert_clean(str([record.__dict__ for record in caplog.records]))
