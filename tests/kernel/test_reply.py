from __future__ import annotations

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    Call,
    Reply,
    ReplyLost,
    System,
    on,
)
from tests.kernel.players import Crash, ask, temporary

pytestmark = pytest.mark.anyio


class Later(Actor):
    """Keeps replies, and answers them when told to."""

    class Take(Call[str], frozen=True):
        pass

    class Release(Struct, frozen=True):
        answer: str

    class Fail(Struct, frozen=True):
        pass

    class Gone(Struct, frozen=True):
        pass

    def __init__(self) -> None:
        self.kept: list[Reply[str]] = []
        self.gone: list[bool] = []

    @on(Take)
    def take(self, _: Take) -> Reply[str]:
        self.kept.append(self.defer(abandoned=Later.Gone()))
        return self.kept[-1]

    @on(Release)
    def release(self, message: Release) -> None:
        for reply in self.kept:
            reply.send(message.answer)

    @on(Fail)
    def fail(self, _: Fail) -> None:
        for reply in self.kept:
            reply.fail(KeyError("not here"))

    @on(Gone)
    def note(self, _: Gone) -> None:
        self.gone = [reply.abandoned for reply in self.kept]

    @on(Crash)
    def crash(self, _: Crash) -> None:
        raise LookupError


async def test_a_reply_may_be_given_later() -> None:
    """A deferred reply leaves the actor free: several callers wait at once, and all are answered by a later message."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Later))
        for _ in range(3):
            group.start_soon(ask, outcomes, ref, Later.Take())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Later.Release("now"))
        await anyio.wait_all_tasks_blocked()
        assert outcomes == ["now"] * 3


async def test_a_reply_may_be_an_error() -> None:
    """`Reply.fail` raises at the caller; the actor goes on."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Later))
        group.start_soon(ask, outcomes, ref, Later.Take())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Later.Fail())
        await anyio.wait_all_tasks_blocked()
        assert [repr(outcome) for outcome in outcomes] == ["KeyError('not here')"]
        assert ref.alive


async def test_the_owner_of_a_reply_learns_that_its_caller_went_away() -> None:
    """A cancelled or timed-out call marks its reply as abandoned, and casts the message that was asked for."""
    actor = Later()
    async with System() as system:
        ref = await system.start(temporary(lambda: actor))
        with anyio.move_on_after(1):
            await ref.call(Later.Take(), timeout=100)
        await anyio.wait_all_tasks_blocked()
        assert actor.gone == [True]
        ref.cast(Later.Release("too late"))
        await anyio.wait_all_tasks_blocked()
        assert system.dead_letters == 1


async def test_replies_owed_are_lost_with_their_actor() -> None:
    """Whoever waits for a deferred reply hears at once when the actor dies."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Later))
        group.start_soon(ask, outcomes, ref, Later.Take())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Crash())
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [ReplyLost]
