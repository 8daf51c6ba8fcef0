from __future__ import annotations

import threading
import time

import anyio
import pytest

from greenroom.kernel import System, on
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
