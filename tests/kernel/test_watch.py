from __future__ import annotations

import threading
import time
from typing import Self

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import Crashed, System, on
from greenroom.kernel._watch import LoopWatch
from tests.kernel.players import Hang, Player, Say, player, temporary

pytestmark = pytest.mark.anyio


async def test_a_handler_past_its_budget_is_reported_once() -> None:
    """The event names the actor and the line it stands at; nothing is done to it."""
    async with System(handler_budget=10) as system:
        ref = await system.start(player("a", []))
        await system.start(player("idle", []))
        with system.subscribe() as events:
            ref.cast(Hang())
            await anyio.sleep(100)
            [event] = [event for event in events.take() if event.kind == "frozen"]
        assert event.path == "/a"
        assert "hang" in event.detail
        assert 10 <= event.at <= 21
        assert ref.alive
        system.kill(ref)


async def test_a_busy_actor_is_not_frozen() -> None:
    """Many messages that each take their time within the budget are no reason for a report."""

    class Busy(Player):
        @on(Say)
        async def say(self, message: Say) -> None:
            await anyio.sleep(8)

    async with System(handler_budget=10) as system:
        ref = await system.start(temporary(lambda: Busy("busy", [])))
        with system.subscribe() as events:
            for _ in range(20):
                ref.cast(Say("work"))
            await anyio.sleep(200)
            assert [event for event in events.take() if event.kind == "frozen"] == []


class Array:
    """As numpy's and torch's are: compared, it gives something that is neither true nor false."""

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = object.__hash__


class Give(Struct, frozen=True):
    array: Array


@pytest.mark.parametrize("raw", [False, True])
async def test_messages_need_not_be_comparable(*, raw: bool) -> None:
    """A message that holds an array, or is one, is watched as others are, and the system's other timers go on."""

    class Trainer(Player):
        @on(Give)
        async def take(self, message: Give) -> None:
            await anyio.sleep_forever()

        @on(Array)
        async def take_raw(self, message: Array) -> None:
            await anyio.sleep_forever()

    async with System(handler_budget=10) as system:
        ref = await system.start(temporary(lambda: Trainer("trainer", [])))
        with system.subscribe() as events:
            ref.cast(Array() if raw else Give(Array()))
            await anyio.sleep(100)
            assert [event.path for event in events.take() if event.kind == "frozen"] == ["/it"]
        system.kill(ref)


async def test_a_message_with_no_truth_value_is_named_in_the_crash() -> None:
    """An actor that crashes on an array has ended with its own exception, on that message."""

    class Trainer(Player):
        @on(Array)
        def take(self, message: Array) -> None:
            raise ArithmeticError("not a number")

    async with System() as system:
        ref = await system.start(temporary(lambda: Trainer("trainer", [])))
        ref.cast(Array())
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert (type(exit.exception), exit.message) == (ArithmeticError, "Array")


@pytest.mark.real_time
async def test_who_holds_the_event_loop_is_named() -> None:
    """A handler that blocks the whole loop is found in the act, by its path and the line it stands at."""
    seen = threading.Event()

    class Blocking(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            time.sleep(0.3)  # the fault under test

    async with System(loop_budget=0.05) as system:
        ref = await system.start(temporary(lambda: Blocking("blocking", [])))
        with system.subscribe() as events, anyio.fail_after(10):
            ref.cast(Say("block"))
            async for event in events:
                if event.kind == "loop_held":
                    assert event.path == "/it"
                    assert "time.sleep" in event.detail
                    seen.set()
                    break
    assert seen.is_set()


@pytest.mark.real_time
async def test_the_watching_thread_ends_with_the_system() -> None:
    """No thread is started unless asked for, and it is over when the system is."""
    before = set(threading.enumerate())
    async with System():
        assert set(threading.enumerate()) == before
    async with System(loop_budget=5):
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) == before


@pytest.mark.real_time
async def test_the_watching_thread_may_be_closed_at_any_moment() -> None:
    """A close that comes just before the thread begins to wait for the loop, which itself waits for it, is seen."""

    class Late(threading.Event):
        """Closes the watch at the worst moment: as the thread is about to forget the last round."""

        def clear(self) -> None:
            watch._closed.set()  # what `close` does first, in this order
            self.set()
            super().clear()

    async with System() as system:
        watch = LoopWatch(system, 0.01)
        watch.close()
        watch._closed, watch._round = threading.Event(), Late()
        thread = threading.Thread(target=watch._watch)
        thread.start()
        thread.join(5)  # holds the loop, as `close` does
        ended = not thread.is_alive()
        watch._round.set()
        await anyio.to_thread.run_sync(thread.join)
        assert ended
