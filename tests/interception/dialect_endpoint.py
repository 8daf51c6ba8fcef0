"""What the tests of each dialect at the endpoint go through alike."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio

from greenroom.interception import Limits, Request, Routes
from tests.interception.talk import Fields, Owner, quick, serving


async def after_half_an_hour(ask: Callable[[str], Request]) -> list[bytes]:
    """The pieces of a stream whose answer took thirty minutes, none of them later than ten seconds after another.

    Args:
        ask: The request that carries a key.
    """
    routes, owner = Routes(Limits(keepalive=10)), Owner()
    pieces: list[bytes] = []

    async def think() -> None:
        await owner.was_asked()
        await anyio.sleep(1800)
        owner.answer()

    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:
        tasks.start_soon(think)
        response = await endpoint.handle(ask(routes.open(owner, rollout_id="r").key))
        assert not isinstance(response.body, bytes)
        last = anyio.current_time()
        async for piece in response.body:
            assert anyio.current_time() - last <= 10
            last = anyio.current_time()
            assert piece
            pieces.append(piece)
        await response.body.aclose()
    return pieces


async def refusal(sent: Request) -> tuple[int, str, Fields]:
    """Status, whether to try again, and error of a request, which is given a good key if its own is blank."""
    routes = Routes(Limits(body=1000))
    headers = {"x-api-key": routes.open(quick, rollout_id="r").key, **sent.headers}
    if headers.get("authorization") == "Bearer ":
        del headers["authorization"]
    async with serving(routes) as endpoint:
        response = await endpoint.handle(Request(method=sent.method, path=sent.path, headers=headers, body=sent.body))
        return response.status, response.headers["x-should-retry"], json.loads(await response.read())["error"]
