from __future__ import annotations

import anyio
import pytest

from greenroom.kernel import Ref, System, on
from tests.kernel.players import Heard, Player, Say, Wait, player, temporary

pytestmark = pytest.mark.anyio


class Forwarder(Player):
    """Passes on what it is told."""

    def __init__(self, other: Ref) -> None:
        super().__init__("forwarder", [])
        self.other = other

    @on(Say)
    async def say(self, message: Say) -> None:
        self.other.cast(message)
        await self.other.call(Heard())


async def test_a_trace_shows_what_comes_goes_and_is_done() -> None:
    """Each message taken, each one sent, with its receiver, and each handler that returned, with the time it took."""
    async with System() as system:
        other = await system.start(player("other", []))
        ref = await system.start(temporary(lambda: Forwarder(other)))
        with system.trace(ref) as trace:
            ref.cast(Say("hello"))
            await anyio.wait_all_tasks_blocked()
            records = trace.take()
        assert [(record.kind, record.message, record.peer) for record in records] == [
            ("in", "Say", ""),
            ("out", "Say", "/other"),
            ("out", "Heard", "/other"),
            ("done", "Say", ""),
        ]
        assert records[-1].seconds > 0
        assert await ref.call(Heard()) == []


async def test_a_trace_stops_by_itself() -> None:
    """After its limit it is over, and the actor works on as before."""
    async with System() as system:
        ref = await system.start(player("a", []))
        trace = system.trace(ref, limit=3)
        for _ in range(10):
            ref.cast(Say("x"))
        records = [record async for record in trace]
        assert await ref.call(Heard()) == ["x"] * 10
        assert system.wary == 0
        assert [record.kind for record in records] == ["in", "done", "in"]


async def test_a_trace_ends_with_its_actor() -> None:
    """Whoever follows a trace is not left waiting when the actor ends; there is none of a dead one."""
    async with System() as system:
        ref = await system.start(player("a", []))
        trace = system.trace(ref)
        async with anyio.create_task_group() as group:
            group.start_soon(system.stop_child, "a")
            assert [record async for record in trace] == []
        with pytest.raises(LookupError, match="/nobody: no such actor"):
            system.trace(system.lookup("/nobody"))


async def test_calls_are_answered_while_traced() -> None:
    """A traced actor replies as any other does, also from an async handler."""
    async with System() as system:
        ref = await system.start(player("a", []))
        with system.trace(ref) as trace:
            assert await ref.call(Wait(5), timeout=10) == 5
            assert [record.message for record in trace.take()] == ["Wait", "Wait"]
