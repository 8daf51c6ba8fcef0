"""The way to one server that all its callers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import anyio
import pytest

from greenroom.interception import ModelError
from greenroom.interception.backoff import backoff
from greenroom.interception.turnstile import REQUESTS, Turnstile

pytestmark = pytest.mark.anyio

BUSY = ModelError("unavailable", "the model server answered 503", 503)


class Server:
    """A server that says, at each moment, whether it answers; if not, how long it wants to be left alone."""

    def __init__(self, answers: Callable[[float], bool], wait: float | None, takes: float = 1.0) -> None:
        self.turnstile = Turnstile()
        self.asked: list[float] = []
        self.failed = 0
        self._answers = answers
        self._wait = wait
        self._takes = takes
        self._began = anyio.current_time()

    async def ask(self, rollout_id: str) -> bool:
        """Whether one request is answered. Raises `ModelError` if it is not even sent."""
        async with self.turnstile.turn(rollout_id) as turn:
            self.asked.append(anyio.current_time() - self._began)
            if self._answers(self.asked[-1]):
                await anyio.sleep(self._takes)
                turn.succeeded()
                return True
            await anyio.sleep(0.05)
            self.failed += 1
            turn.failed(BUSY, self._wait)
            return False

    async def persist(self, rollout_id: str, seconds: float = 1e6) -> str:
        """An agent that tries again for as long as it is let; what became of it."""
        tries = 0
        try:
            with anyio.fail_after(seconds):
                while not await self.ask(rollout_id):
                    tries += 1
                    await anyio.lowlevel.checkpoint() if self._wait else await anyio.sleep(backoff(tries))
        except ModelError as error:
            return "refused" if not error.retryable else "failed"
        except TimeoutError:
            return "late"
        return "answered"

    async def storm(self, rollouts: int, seconds: float = 1e6) -> Counter[str]:
        """As many agents at once."""
        found: Counter[str] = Counter()

        async def one(number: int) -> None:
            await anyio.sleep(number / 500)
            found[await self.persist(f"r-{number}", seconds)] += 1

        async with anyio.create_task_group() as tasks:
            for number in range(rollouts):
                tasks.start_soon(one, number)
        return found


@pytest.mark.parametrize("wait", [None, 3.0, 0.0])
async def test_a_rollout_loses_so_many_requests_and_no_more(wait: float | None) -> None:
    """However long its agent tries, a server that never answers gets eight requests of a rollout."""
    server = Server(lambda _: False, wait)
    assert await server.persist("r") == "refused"
    assert await server.persist("r") == "refused"
    assert len(server.asked) == REQUESTS == 8
    with pytest.raises(ModelError, match="answered 503; 8 requests of this rollout have failed in a row"):
        await server.ask("r")


async def test_an_answer_makes_up_for_what_was_lost() -> None:
    """Failures count in a row: a server that answers now and then is asked for as long as there are calls."""

    def every_sixth(_at: float) -> bool:
        return len(server.asked) % 6 == 0

    server = Server(every_sixth, None, takes=0.1)
    for _ in range(10):
        assert await server.persist("r") == "answered"
    assert server.failed == 50


async def test_calls_at_once_do_not_add_to_it() -> None:
    """The calls that a rollout makes side by side share the eight, once one of them has failed."""
    server = Server(lambda _: False, None)
    with anyio.move_on_after(1000):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(server.persist, "r")
    assert len(server.asked) <= REQUESTS


@pytest.mark.parametrize("wait", [None, 5.0, 60.0])
async def test_a_thousand_rollouts_share_one_wait(wait: float | None) -> None:
    """While a server says wait, a thousand rollouts of ten minutes send it a few hundred requests."""
    server = Server(lambda _: False, wait)
    found = await server.storm(1000, seconds=600)
    assert sum(found.values()) == 1000
    assert found["answered"] == 0
    assert len(server.asked) <= 300


@pytest.mark.parametrize("wait", [None, 5.0])
async def test_one_tries_first(wait: float | None) -> None:
    """When the wait is over one request goes ahead; the others follow it only once it has been answered."""
    server = Server(lambda at: at > 30, wait, takes=2.0)
    found = await server.storm(200)
    assert found == {"answered": 200}
    back = [at for at in server.asked if at > 30]
    assert [at for at in back if at < back[0] + 2.0] == [back[0]]
    assert server.failed <= 60


async def test_who_comes_back_slowly_is_not_waited_for_for_ever() -> None:
    """Where the first answer takes minutes, others are let in meanwhile: what is refused is refused at once."""
    server = Server(lambda at: at > 1, 5.0, takes=300.0)
    found = await server.storm(20)
    assert found == {"answered": 20}
    assert max(server.asked) < 200


async def test_a_wait_that_is_too_long_is_told_at_once() -> None:
    """A call whose time ends before the server may be asked again fails without a request, and without waiting."""
    server = Server(lambda _: False, 3000.0)
    assert not await server.ask("a")
    began = anyio.current_time()
    with anyio.move_on_after(600), pytest.raises(ModelError, match="left alone for") as caught:
        await server.ask("b")
    assert (anyio.current_time(), len(server.asked)) == (began, 1)
    assert not caught.value.retryable


async def test_those_in_line_are_told_too() -> None:
    """When the server asks for more time than those have who wait already, they are told at once."""
    server = Server(lambda _: False, 10.0)
    assert not await server.ask("first")
    server._wait = 1000.0
    told: list[float] = []

    async def wait(seconds: float) -> None:
        with anyio.move_on_after(seconds), pytest.raises(ModelError):
            await server.ask(f"r{seconds}")
        told.append(anyio.current_time() - began)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.ask, "long")
        await anyio.wait_all_tasks_blocked()
        for seconds in (20.0, 30.0):
            tasks.start_soon(wait, seconds)
    assert [at < 13 for at in told] == [True, True]
    assert len(server.asked) == 2


async def test_a_passing_failure_holds_up_nobody() -> None:
    """A failure that says nothing of the whole server, and one among many answers, make nobody wait."""
    server = Server(lambda _: True, None, takes=0.0)
    crashed = ModelError("unavailable", "the model server answered 500", 500)
    for error in (crashed, crashed, crashed, crashed, BUSY, BUSY):
        async with server.turnstile.turn("x") as turn:
            turn.failed(error)
    assert server.turnstile.wait() == 0
    began = anyio.current_time()
    await server.ask("r")
    assert anyio.current_time() == began


async def test_who_leaves_the_line_makes_room() -> None:
    """An agent that hangs up while it waits, or while it tries first, holds up nobody behind it."""
    server = Server(lambda at: at > 1, 5.0, takes=10.0)
    assert not await server.ask("a")
    async with anyio.create_task_group() as tasks:
        gone = anyio.CancelScope()

        async def leave() -> None:
            with gone:
                await server.ask("gone")

        tasks.start_soon(leave)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(server.ask, "next")
        await anyio.wait_all_tasks_blocked()
        assert server.turnstile.waiting == 2
        await anyio.sleep(7)
        gone.cancel()
        await anyio.sleep(5)
        assert (server.turnstile.waiting, len(server.asked)) == (0, 3)


async def test_others_are_not_held_up_by_a_rollout_that_may_lose_no_more() -> None:
    """A rollout with all it can lose under way waits by itself; the next in line goes past it."""
    turnstile = Turnstile()
    for _ in range(7):
        async with turnstile.turn("r") as turn:
            turn.failed(ModelError("bad_response", "nonsense"))
    async with anyio.create_task_group() as tasks:

        async def go() -> None:
            async with turnstile.turn("r"):
                await anyio.sleep(10)

        tasks.start_soon(go)
        tasks.start_soon(go)
        await anyio.wait_all_tasks_blocked()
        assert turnstile.waiting == 1
        with anyio.fail_after(1):
            async with turnstile.turn("other"):
                assert turnstile.waiting == 1
