from __future__ import annotations

from types import new_class
from typing import Any, Literal, Optional

import anyio
import anyio.lowlevel
import pytest
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    Call,
    CallTimeout,
    Crashed,
    Reply,
    ReplyLost,
    System,
    on,
)
from greenroom.kernel._message import R, may_be_none
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


# ------------------------------------------------------------------------------------- handlers that forget to answer


class Question(Call[int], frozen=True):
    """What a forgetful actor is asked."""

    how: str


class Plain(Call[int | None], frozen=True):
    """None is an answer to this one."""


class Forgetful(Actor):
    """Takes replies, and does not return them."""

    def __init__(self) -> None:
        self.others: list[Reply[int]] = []

    @on(Question)
    def answer(self, message: Question) -> Any:  # noqa: ANN401 - the mistakes that no checker sees
        if message.how.startswith("deferred"):
            return self.answer_later(message.how, self.defer())
        result: Reply[int] | None = None
        match message.how:
            case "another":
                result = self.others[0]
            case "keep":
                self.others.append(self.defer())
                result = self.others[-1]
            case "aside":
                self.stash()
            case _:
                pass
        return result

    def answer_later(self, how: str, reply: Reply[int]) -> Reply[int] | int | None:
        """Having taken the reply."""
        result: Reply[int] | int | None = None
        match how:
            case "deferred and answered":
                reply.send(1)
            case "deferred and returned a value":
                result = 1
            case "deferred twice":
                result = self.defer()
            case "deferred and put aside":
                self.stash()
                result = reply
            case _:
                self.others.append(reply)
        return result

    @on(Plain)
    async def plain(self, _: Plain) -> None:
        return None


class Slow(Forgetful):
    """Makes the same mistakes, after a while."""

    @on(Question)
    async def answer(self, message: Question) -> Any:  # noqa: ANN401
        await anyio.lowlevel.checkpoint()
        return super().answer(message)


TOOK = "handler of Question took its reply with defer() and has to return that reply, but "
MISTAKES = {
    "deferred and forgotten": f"{TOOK}returned None",
    "deferred and answered": f"{TOOK}returned None",
    "deferred and returned a value": f"{TOOK}returned something else: int",
    "deferred and put aside": f"{TOOK}put the call aside",
    "deferred twice": "has taken the reply to Question already: a call is answered once",
    "nothing": "handler of Question returned None, which is no answer to it: did it forget to return one?",
    "another": "handler of Question returned the reply to another call: this one would wait for ever",
}


@pytest.mark.parametrize("kind", [Forgetful, Slow])
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_handler_that_forgets_its_reply_crashes(kind: type[Forgetful], mistake: str) -> None:
    """No caller gets a None that nobody meant, or waits for ever: the actor crashes, and says what to mend."""
    async with System() as system, anyio.create_task_group() as tasks:
        ref = await system.start(temporary(kind))
        answers: list[object] = []
        kept: list[object] = []
        tasks.start_soon(ask, kept, ref, Question("keep"))
        await anyio.wait_all_tasks_blocked()
        await ask(answers, ref, Question(mistake))
        exit = await system.join(ref)
    assert isinstance(exit, Crashed)
    assert isinstance(exit.exception, TypeError)
    assert MISTAKES[mistake] in str(exit.exception)
    assert kind.__name__ in str(exit.exception)
    if mistake != "deferred and answered":
        (answer,) = answers
        assert isinstance(answer, ReplyLost)
        assert MISTAKES[mistake] in str(answer)


@pytest.mark.parametrize("kind", [Forgetful, Slow])
async def test_none_is_an_answer_where_it_may_be_one(kind: type[Forgetful]) -> None:
    """A call that can be answered with None is, and an actor that puts a call aside owes nothing yet."""
    async with System() as system:
        ref = await system.start(temporary(kind))
        assert await ref.call(Plain()) is None
        with pytest.raises(CallTimeout):
            await ref.call(Question("aside"), timeout=1)
        assert ref.alive


class Name(Call["int"], frozen=True):
    """What a name stands for is not looked up."""


class Base(Call[R], frozen=True):
    """What is answered is said elsewhere."""


class Derived(Base[int], frozen=True):
    """Said at a second remove."""


@pytest.mark.parametrize(
    ("message", "may"),
    [
        (Question, False),
        (Later.Take, False),
        (Plain, True),
        (Name, True),
        (Base, True),
        (Derived, True),
    ],
)
def test_only_what_is_known_is_held_against_a_handler(message: type[Call[Any]], *, may: bool) -> None:
    """A None is refused only where the class of the call says without doubt that it is none."""
    assert may_be_none(message) is may


@pytest.mark.parametrize("answer", [None, Any, object, int | None, Optional[int], Literal[1], "int", R])  # noqa: UP045 - both spellings
def test_these_calls_may_be_answered_with_none(answer: Any) -> None:  # noqa: ANN401
    """Nothing, anything, something or nothing, and whatever cannot be told without guessing."""
    assert may_be_none(new_class("Some", (Call[answer],), {"frozen": True}))


@pytest.mark.parametrize("answer", [int, list[int], dict[str, int], int | str, tuple[int, ...], Struct])
def test_these_calls_may_not(answer: Any) -> None:  # noqa: ANN401
    """Classes, with or without arguments, and choices among them."""
    assert not may_be_none(new_class("Some", (Call[answer],), {"frozen": True}))
