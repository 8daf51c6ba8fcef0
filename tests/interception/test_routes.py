"""Keys and routes: whose is this call, and what is left when the attempt is over."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import anyio
import pytest

from greenroom.interception import Routes
from tests.interception.talk import HELLO, Owner, quick, request, serving

pytestmark = pytest.mark.anyio


async def test_keys_are_long_and_different() -> None:
    """Every route has a key of its own, of 256 bits, that its repr does not show."""
    routes = Routes()
    opened = [routes.open(quick, rollout_id=f"r{number}") for number in range(50)]
    assert len({route.key for route in opened}) == 50
    assert all(len(route.key) == 43 for route in opened)
    assert opened[0].key not in repr(opened[0])
    assert "'r0', open" in repr(opened[0])


async def test_a_key_finds_its_route_only() -> None:
    """A key leads to the route it was made for; anything else, blank and undecodable text included, leads nowhere."""
    routes = Routes()
    first, second = (routes.open(quick, rollout_id=name) for name in ("a", "b"))
    assert routes.find(first.key) is first
    assert routes.find(second.key) is second
    for wrong in ("", " ", first.key[:-1], first.key + "x", first.key.swapcase(), "\udcff", "\ud800"):
        assert routes.find(wrong) is None


async def test_calls_say_whose_they_are() -> None:
    """A call carries its rollout, task, attempt, sample and number, and an id that no other call has."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r", task_id="t", attempt=2, sample=3, model="qwen")
    owner.answer(HELLO, HELLO)
    async with serving(routes) as endpoint:
        for _ in range(2):
            await endpoint.handle(request(route.key))
    first, second = owner.asked
    assert (first.rollout_id, first.task_id, first.attempt, first.sample, first.index) == ("r", "t", 2, 3, 0)
    assert (second.index, first.id == second.id) == (1, False)


async def test_closing_revokes_at_once() -> None:
    """A closed route's key is worth nothing, closing twice is fine, and other routes are not touched."""
    routes = Routes()
    route, other = (routes.open(quick, rollout_id=name) for name in ("a", "b"))
    async with serving(routes) as endpoint:
        routes.close(route)
        routes.close(route)
        assert (await endpoint.handle(request(route.key))).status == 401
        assert (await endpoint.handle(request(other.key))).status == 200
    assert len(routes) == 1


async def test_closing_cancels_what_is_pending() -> None:
    """When an attempt ends, its owner's pending answer is cancelled and its agent told to try again, at once."""
    routes, owner = Routes(), Owner()
    route = routes.open(owner, rollout_id="r")
    async with serving(routes) as endpoint, anyio.create_task_group() as tasks:

        async def agent() -> None:
            assert (await endpoint.handle(request(route.key))).status == 500

        tasks.start_soon(agent)
        await owner.was_asked()
        began = anyio.current_time()
        routes.close(route)
        await owner.was_cancelled()
        assert anyio.current_time() == began
    assert route.fault is None


async def test_nothing_of_a_closed_route_stays() -> None:
    """After its end neither the route, its answers, nor its owner are kept in memory by anybody."""
    routes = Routes()
    async with serving(routes) as endpoint:
        owner = Owner()
        owner.answer(HELLO)
        route = routes.open(owner, rollout_id="r")
        assert (await endpoint.handle(request(route.key))).status == 200
        traces: list[Callable[[], object]] = [weakref.ref(route), weakref.ref(owner)]
        routes.close(route)
        assert (route.remembered, len(route._session)) == (0, 0)
        del route, owner
        gc.collect()
        assert [trace() for trace in traces] == [None, None]
    assert len(routes) == 0
