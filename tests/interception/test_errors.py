"""Everything an agent may be refused, in the shape of each dialect, with the status its SDK acts on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import anyio
import pytest
from msgspec.structs import replace

from greenroom.interception import Endpoint, Limits, ModelError, Request, Response, Routes
from greenroom.interception.errors import TOO_SLOW, RefusedError
from greenroom.interception.routes import Route
from greenroom.messages import Completion, ModelCall
from tests.interception.dialogue import NAMES, ask, carrying
from tests.interception.talk import Owner, serving

pytestmark = pytest.mark.anyio

LIMITS = Limits(body=2000, headers=8, requests=1)
SIGNS = {"anthropic": {"anthropic-version": "2023-06-01"}, "google": {"x-goog-api-key": "unused"}}
"""What tells a dialect's clients where the path does not."""


async def _failing(call: ModelCall) -> Completion:
    raise ModelError("unavailable", "internal text", 503, retryable="again" in str(call.messages))


async def _late(limit: int) -> bytes:
    raise RefusedError(TOO_SLOW)


Asking = Callable[[Endpoint, Route, str], Awaitable[Response]]


def sent(change: Callable[[Request], Request], text: str = "hi") -> Asking:
    """A request that is good but for a change."""

    async def go(endpoint: Endpoint, route: Route, name: str) -> Response:
        request = carrying(ask(name, route.key, text), SIGNS.get(name, {}))
        return await endpoint.handle(change(request))

    return go


async def flood(endpoint: Endpoint, route: Route, name: str) -> Response:
    """One request more than may be open."""
    with route.visit():
        return await endpoint.handle(ask(name, route.key))


CASES: Mapping[str, tuple[int, Asking]] = {
    "no such key": (401, sent(lambda request: carrying(request, {"authorization": "Bearer nobody's"}))),
    "no such path": (404, sent(lambda request: replace(request, path="/v1/rollouts"))),
    "wrong method": (405, sent(lambda request: replace(request, method="DELETE"))),
    "body is no request": (400, sent(lambda request: replace(request, body=b'{"model": 3}'))),
    "body did not come": (408, sent(lambda request: replace(request, body=_late))),
    "body too large": (413, sent(lambda request: replace(request, body=b" " * 2001))),
    "body is no JSON": (415, sent(lambda request: carrying(request, {"content-type": "text/plain"}))),
    "headers too many": (431, sent(lambda request: carrying(request, {f"h{n}": "x" for n in range(9)}))),
    "requests too many": (429, flood),
    "model failed for now": (500, sent(lambda request: request, "again")),
    "model failed for good": (400, sent(lambda request: request)),
}
AGAIN = {408, 429, 500}
"""Statuses after which SDKs are told to ask again."""

OPENAI = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error"}
ANTHROPIC = OPENAI | {408: "timeout_error", 413: "request_too_large", 500: "api_error"}
GOOGLE = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


def shape(name: str, status: int, message: str) -> object:
    """The whole body of an error, as the API of this dialect documents it."""
    if name == "google":
        return {"error": {"code": status, "message": message, "status": GOOGLE.get(status, "INVALID_ARGUMENT")}}
    if name == "anthropic":
        kind = ANTHROPIC.get(status, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    kind = OPENAI.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
async def test_every_refusal_in_every_dialect(name: str, case: str) -> None:
    """A refusal has the dialect's shape to the letter, says whether to ask again, and nothing of what happened here."""
    status, asking = CASES[case]
    routes = Routes(LIMITS)
    route = routes.open(_failing, rollout_id="r")
    async with serving(routes) as endpoint:
        response = await asking(endpoint, route, name)
        told: Any = json.loads(await response.read())
    message = cast("str", told["error"]["message"])
    expected = "responses" if name == "responses" and case != "no such path" else name
    assert (response.status, told) == (status, shape(expected, status, message))
    assert response.headers == {
        "content-type": "application/json",
        "x-should-retry": "true" if status in AGAIN else "false",
    }
    assert not [word for word in ("internal", "nobody", "rollouts", "greenroom", "Error", route.key) if word in message]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_busy_is_never_said(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """However many calls wait for a slow model, and however long, no agent is told to slow down."""
    routes, owner = Routes(Limits(in_flight=2, requests=40)), Owner()
    route = routes.open(owner, rollout_id="r")
    statuses: list[int] = []

    async def agent(endpoint: Endpoint, number: int) -> None:
        response = await endpoint.handle(ask(name, route.key, str(number), stream=stream))
        assert b"hello" in await response.read()
        statuses.append(response.status)

    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(agent, endpoint, number)
        await anyio.sleep(1800)
        assert len(owner.asked) == 2
        for _ in range(40):
            owner.answer()
    assert statuses == [200] * 40
