"""What an actor died of, and what becomes of what it had in hand: the first cause stands, each call ends once."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from greenroom.kernel import Actor, Call, CallTimeout, Crashed, NotDelivered, Reply, ReplyLost, System, on
from tests.kernel.doer import Do, DoBeside, asyncio_only, doer, task_named
from tests.kernel.players import Crash, Heard, Player, Say, Wait, ask, temporary

pytestmark = pytest.mark.anyio


# What is raised.


async def together(first: BaseException, *later: BaseException) -> None:
    """Fail in a group of groups: first with one error, then with what goes wrong in the tasks cancelled for it."""

    async def fail() -> None:
        await anyio.sleep(1)
        raise first

    async def fail_to_clean_up(error: BaseException) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    async with anyio.create_task_group() as outer:
        outer.start_soon(anyio.sleep_forever)
        async with anyio.create_task_group() as inner:
            inner.start_soon(anyio.sleep_forever)
            inner.start_soon(fail)
            for error in later:
                inner.start_soon(fail_to_clean_up, error)


async def test_one_error_in_groups_is_the_crash() -> None:
    """However deep task groups have wrapped it, the exit holds the error itself, with its traceback."""
    cause = LookupError("the cause")
    async with System() as system:
        ref = await system.start(doer())
        ref.cast(Do(lambda: together(cause)))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert exit.exception is cause
    assert "in fail" in exit.traceback


async def test_several_errors_in_groups_are_one_flat_group() -> None:
    """None of them is hidden by another."""
    errors = [LookupError("one"), KeyError("two"), ValueError("three")]
    async with System() as system:
        ref = await system.start(doer())
        ref.cast(Do(lambda: together(*errors)))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    group = cast("BaseExceptionGroup[Exception]", exit.exception)
    assert isinstance(group, BaseExceptionGroup)
    assert sorted(str(error) for error in group.exceptions) == sorted(str(error) for error in errors)


async def test_the_first_cause_survives_a_clean_up_that_fails() -> None:
    """What `stopped` raises is told, and never replaces what the actor died of."""

    async def fail() -> None:
        raise ValueError("in the clean-up")

    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(doer(None, fail))
            ref.cast(Crash("the cause"))
            exit = await system.join(ref)
            told = [event.detail for event in events.take() if event.kind == "cleanup_failed"]
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"
    assert len(told) == 1
    assert "in the clean-up" in told[0]


async def test_the_first_cause_survives_a_clean_up_that_takes_too_long() -> None:
    """An actor that crashed and whose `stopped` is cut off still says what it died of."""
    async with System() as system:
        ref = await system.start(doer(None, anyio.sleep_forever, shutdown=5))
        ref.cast(Crash("the cause"))
        exit = await system.join(ref)
        assert anyio.current_time() == 5
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"


async def test_the_first_cause_survives_the_end_of_a_lifetime() -> None:
    """A lifetime that is over while the actor cleans up after a crash is not what it died of."""
    async with System() as system:
        ref = await system.start(doer(None, lambda: anyio.sleep(4), lifetime=2))
        ref.cast(Crash("the cause"))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert str(exit.exception) == "the cause"


async def test_a_job_that_fails_when_it_is_cancelled_is_told() -> None:
    """The clean-up of a job counts as the actor's: its failure is an event, and the first exit stands."""

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in the job's clean-up")

    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(doer())
            ref.cast(DoBeside(work))
            await anyio.wait_all_tasks_blocked()
            await system.stop_child("it")
            await system.join(ref)
            told = [event.detail for event in events.take() if event.kind == "cleanup_failed"]
    assert len(told) == 1
    assert "in the job's clean-up" in told[0]


async def test_a_then_that_raises_is_the_actors_crash() -> None:
    """What makes a message of a job's result is the actor's own code, and fails as such."""

    def wrong(_: None) -> object:
        raise IndexError

    class Careless(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            self.run(anyio.sleep(1), then=wrong)

    async with System() as system:
        ref = await system.start(temporary(lambda: Careless("careless", [])))
        ref.cast(Say("work"))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert isinstance(exit.exception, IndexError)


# What was under way.


async def test_a_message_in_hand_is_lost_by_name() -> None:
    """Killed in a handler: the call it had in hand is lost at once, those behind it were never delivered."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(doer(shutdown="brutal"))
        for message in (Wait(1000), Heard(), Heard()):
            group.start_soon(ask, outcomes, ref, message)
            await anyio.wait_all_tasks_blocked()
        ref.cast(Say("never heard"))
        system.kill(ref)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [ReplyLost, NotDelivered, NotDelivered]
        assert "/it ended with the message in hand: Killed()" in str(outcomes[0])
        assert system.dead_letters == 3
        assert anyio.current_time() < 1


@asyncio_only
async def test_a_crash_by_a_foreign_cancel_names_the_message_in_hand() -> None:
    """The exit record says what the actor was at."""
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(doer())
        group.start_soon(ask, list[object](), ref, Wait(1000))
        await anyio.wait_all_tasks_blocked()
        task_named("/it").cancel()
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert exit.message == "Wait"


class Both(Call[str], frozen=True):
    """Be answered in the turn in which the call expires."""


class Punctual(Actor):
    """Answers when the caller's patience ends."""

    def __init__(self) -> None:
        self.replies: list[Reply[str]] = []

    @on(Both)
    def take(self, _: Both) -> Reply[str]:
        self.replies.append(self.defer())
        return self.replies[-1]


@pytest.mark.parametrize("first", ["reply", "timeout"])
async def test_a_reply_and_a_timeout_in_one_turn_are_one_end(first: str) -> None:
    """Whichever comes first counts, and the other changes nothing."""
    actor = Punctual()
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: actor))
        group.start_soon(ask, outcomes, ref, Both())
        await anyio.wait_all_tasks_blocked()
        question: Any = actor.replies[0]._ask
        if first == "reply":
            actor.replies[0].send("in time")
            question.expire()
        else:
            question.expire()
            actor.replies[0].send("too late")
        await anyio.wait_all_tasks_blocked()
        if first == "reply":
            assert (outcomes, system.dead_letters) == (["in time"], 0)
        else:
            assert ([type(outcome) for outcome in outcomes], system.dead_letters) == ([CallTimeout], 1)


async def test_a_reply_and_a_cancellation_in_one_turn_are_one_end() -> None:
    """A caller that is cancelled in the turn of its reply ends either way, once, and nobody else is harmed."""
    actor = Punctual()
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: actor))
        group.start_soon(ask, outcomes, ref, Both())
        await anyio.wait_all_tasks_blocked()
        actor.replies[0].send("in time")
        group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint_if_cancelled()
    assert outcomes in (["in time"], [])
