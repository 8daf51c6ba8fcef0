from __future__ import annotations

import anyio
import msgspec
import pytest

from greenroom.interception import Limits, ModelError, Routes
from greenroom.interception.endpoint import Endpoint
from greenroom.interception.hold import Hold
from greenroom.interception.routes import Answer, Route
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall, Text

pytestmark = pytest.mark.anyio

DONE = Completion(parts=(Text("done"),))


class Diary:
    """Writes down what it is told, with the time."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, str]] = []
        self.began = anyio.current_time()

    def held(self) -> None:
        self.write("held")

    def freed(self) -> None:
        self.write("freed")

    def answered(self) -> None:
        self.write("answered")

    def write(self, what: str) -> None:
        self.entries.append((round(anyio.current_time() - self.began, 3), what))


async def thinking(_: ModelCall) -> Completion:
    """A model that takes ten seconds."""
    await anyio.sleep(10)
    return DONE


def a_route(diary: Diary, answer: Answer = thinking, **limits: float) -> tuple[Endpoint, Route]:
    """An endpoint with one route."""
    routes = Routes(Limits(**limits))  # type: ignore[arg-type]
    return Endpoint(routes), routes.open(answer, rollout_id="r", timekeeper=diary)


def request(route: Route, words: str = "hello", *, stream: bool = False) -> Request:
    """A question in chat completions."""
    body = {"model": "m", "messages": [{"role": "user", "content": words}], "stream": stream}
    headers = {"authorization": f"Bearer {route.key}", "content-type": "application/json"}
    return Request(method="POST", path="/v1/chat/completions", headers=headers, body=msgspec.json.encode(body))


async def ask(endpoint: Endpoint, asked: Request, seconds: float = 1000) -> None:
    """Wait for the answer for so long."""
    with anyio.move_on_after(seconds):
        response = await endpoint.handle(asked)
        await response.read()


async def test_a_call_is_held_until_its_answer_is_there() -> None:
    """Held is the time from the moment in which the model is asked to that in which it answers."""
    diary = Diary()
    endpoint, route = a_route(diary)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        await ask(endpoint, request(route))
        tasks.cancel_scope.cancel()
    assert diary.entries == [(0, "held"), (10, "answered"), (10, "freed")]


async def test_a_failure_is_no_answer() -> None:
    """A call that fails is held no longer, and nothing was said."""

    async def failing(_: ModelCall) -> Completion:
        await anyio.sleep(3)
        raise ModelError("unavailable", "no")

    diary = Diary()
    endpoint, route = a_route(diary, failing)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        await ask(endpoint, request(route))
        tasks.cancel_scope.cancel()
    assert diary.entries == [(0, "held"), (3, "freed")]


async def test_a_call_that_its_agent_leaves_is_held_no_longer() -> None:
    """From the moment it hangs up the time is the agent's; if it comes back for the same answer, the model's again."""
    diary = Diary()
    endpoint, route = a_route(diary)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        await ask(endpoint, request(route), 4)
        await anyio.sleep(2)
        await ask(endpoint, request(route))
        await ask(endpoint, request(route, "something else"), 3)
        await anyio.sleep(20)
        tasks.cancel_scope.cancel()
    assert diary.entries == [
        *((0, "held"), (4, "freed")),
        *((6, "held"), (10, "answered"), (10, "freed")),
        *((10, "held"), (13, "freed")),
    ]


async def test_an_answer_to_a_call_that_was_left_is_an_answer() -> None:
    """A model that answers within the grace after a hang-up was not silent."""
    diary = Diary()
    endpoint, route = a_route(diary)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        await ask(endpoint, request(route), 7)
        await anyio.sleep(20)
        tasks.cancel_scope.cancel()
    assert diary.entries == [(0, "held"), (7, "freed"), (10, "answered")]


async def test_calls_that_wait_for_their_turn_are_not_held() -> None:
    """Of more calls than an agent may have with its model at once, the rest is the agent's own queue."""
    diary = Diary()
    endpoint, route = a_route(diary, in_flight=1)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        tasks.start_soon(ask, endpoint, request(route, "one"))
        await anyio.sleep(1)
        await ask(endpoint, request(route, "two"))
        tasks.cancel_scope.cancel()
    assert [entry for entry in diary.entries if entry[1] != "answered"] == [
        *((0, "held"), (10, "freed")),
        *((10, "held"), (20, "freed")),
    ]


async def test_a_body_that_never_ends_is_not_held() -> None:
    """An agent that opens a call and does not say what it asks keeps nobody's clock."""

    async def endless(_: int) -> bytes:
        await anyio.sleep(30)
        return b"{"

    diary = Diary()
    endpoint, route = a_route(diary)
    headers = {"authorization": f"Bearer {route.key}", "content-type": "application/json"}
    asked = Request(method="POST", path="/v1/chat/completions", headers=headers, body=endless)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        await ask(endpoint, asked)
        tasks.cancel_scope.cancel()
    assert diary.entries == []


async def test_an_answer_that_is_read_slowly_is_not_held() -> None:
    """What an agent takes its time to read is not with the model any more."""
    diary = Diary()
    endpoint, route = a_route(diary)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        response = await endpoint.handle(request(route, stream=True))
        assert not isinstance(response.body, bytes)
        async for _ in response.body:
            await anyio.sleep(60)
        await response.body.aclose()
        tasks.cancel_scope.cancel()
    assert diary.entries == [(0, "held"), (10, "answered"), (10, "freed")]


async def test_a_hold_that_is_over_stays_over() -> None:
    """Nothing that comes afterwards begins it again, and what was never asked is never held."""
    diary = Diary()
    hold = Hold(diary)
    hold.wanted(wanted=True)
    hold.answered()
    assert diary.entries == []
    hold.asked()
    hold.over()
    hold.over()
    hold.wanted(wanted=True)
    hold.answered()
    assert [what for _, what in diary.entries] == ["held", "freed"]
