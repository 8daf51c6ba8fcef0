"""Bounds by which no agent starves the rest: sizes, counts and rates, in every dialect."""

from __future__ import annotations

import json

import anyio
import pytest

from greenroom.interception import Limits, Request, Routes
from greenroom.interception.dialects import DIALECTS
from greenroom.interception.dialects.value import MAX_DEPTH
from tests.interception.dialogue import ASKING, NAMES, ask, carrying
from tests.interception.dialogue import fields as simplest
from tests.interception.talk import quick, serving

pytestmark = pytest.mark.anyio

TOOL: dict[str, dict[str, object]] = {
    "chat": {"type": "function", "function": {"name": "t"}},
    "responses": {"type": "function", "name": "t", "parameters": {}},
    "anthropic": {"name": "t", "input_schema": {}},
    "google": {"name": "t"},
}


def tools(name: str, count: int) -> list[object]:
    """So many tools as a dialect declares them."""
    declared: list[object] = [TOOL[name]] * count
    return [{"functionDeclarations": declared}] if name == "google" else declared


def with_fields(name: str, **fields: object) -> bytes:
    """The simplest body of a dialect, and these."""
    return json.dumps(simplest(name) | fields).encode()


def nested(depth: int) -> object:
    """Lists within lists."""
    found: object = 1
    for _ in range(depth):
        found = [found]
    return found


def test_every_dialect_has_its_simplest_request() -> None:
    """What goes through all dialects really does."""
    assert set(ASKING) == set(TOOL) == {dialect.name for dialect in DIALECTS}


@pytest.mark.parametrize("name", NAMES)
async def test_tools_are_counted(name: str) -> None:
    """So many tools are fine; one more is refused in the dialect's shape, and is no call."""
    routes = Routes(Limits(tools=5))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        for count, status in ((6, 400), (5, 200)):
            body = with_fields(name, tools=tools(name, count))
            response = await endpoint.handle(ask(name, route.key, body=body))
            assert response.status == status
            assert route.counters.calls == (status == 200)
            assert b"at most 5" in await response.read() or status == 200


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
async def test_nesting_is_bounded(name: str, depth: int) -> None:
    """However deep a request nests, it is refused without a crash, and the next one is served."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    deep = b"[" * depth + b"]" * depth
    async with serving(routes) as endpoint:
        body = with_fields(name, metadata="DEEP").replace(b'"DEEP"', deep)
        response = await endpoint.handle(ask(name, route.key, body=body))
        assert response.status == 400
        assert "error" in json.loads(await response.read())
        assert (await endpoint.handle(ask(name, route.key, body=with_fields(name, metadata=nested(5))))).status == 200


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("headers", [{f"h{n}": "x" for n in range(20)}, {"long": "x" * 2000}])
async def test_headers_are_bounded(name: str, headers: dict[str, str]) -> None:
    """Too many headers, or too long ones, are refused in the dialect's shape, whoever sends them."""
    routes = Routes(Limits(headers=10, header_bytes=1000))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        for key in (route.key, "nobody"):
            response = await endpoint.handle(carrying(ask(name, key), headers))
            assert response.status == 431
            assert "error" in json.loads(await response.read())
        assert (await endpoint.handle(ask(name, route.key))).status == 200


async def test_a_route_has_its_pace() -> None:
    """A burst is served at once; beyond it requests are held, not refused, and other routes do not feel it."""
    routes = Routes(Limits(per_second=10, burst=20))
    route, other = (routes.open(quick, rollout_id=name) for name in ("a", "b"))
    async with serving(routes) as endpoint:
        began = anyio.current_time()
        for number in range(20):
            assert (await endpoint.handle(ask("chat", route.key, str(number)))).status == 200
        assert anyio.current_time() == pytest.approx(began, abs=1e-9)
        for number in range(30):
            assert (await endpoint.handle(ask("chat", route.key, f"more {number}"))).status == 200
        assert anyio.current_time() - began == pytest.approx(3)
        again = anyio.current_time()
        assert (await endpoint.handle(ask("chat", other.key))).status == 200
        assert anyio.current_time() == again


async def test_bad_requests_have_the_same_pace() -> None:
    """What is malformed, and what asks for the list of models, counts too."""
    routes = Routes(Limits(per_second=10, burst=10))
    route = routes.open(quick, rollout_id="r")
    headers = {"authorization": f"Bearer {route.key}"}
    async with serving(routes) as endpoint:
        began = anyio.current_time()
        for _ in range(20):
            assert (await endpoint.handle(ask("chat", route.key, body=b"nonsense"))).status == 400
            listed = await endpoint.handle(Request(method="GET", path="/v1/models", headers=headers))
            assert listed.status == 200
        assert anyio.current_time() - began == pytest.approx(3)


async def test_large_bodies_count_for_more() -> None:
    """A body is charged by its size before it is parsed."""
    routes = Routes(Limits(per_second=10, burst=10))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        began = anyio.current_time()
        assert (await endpoint.handle(ask("chat", route.key, "x" * 64 * 1024 * 19))).status == 200
        assert anyio.current_time() - began == pytest.approx(1)


async def test_strangers_have_one_pace_together() -> None:
    """Whoever guesses keys is slowed down, all guesses together; who has a key is not."""
    routes = Routes(Limits(strangers_per_second=10, strangers_burst=10))
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(endpoint.handle, ask("chat", f"guess {number}"))
            await anyio.wait_all_tasks_blocked()
            assert (await endpoint.handle(ask("chat", route.key))).status == 200
            assert anyio.current_time() == began
        assert anyio.current_time() - began == pytest.approx(5)
