from __future__ import annotations

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import Actor, Call, CallTimeout, ChildSpec, NotDelivered, Ref, ReplyLost, System, on
from greenroom.kernel._errors import CallCycle
from tests.kernel.players import Crash, CrashNow, Hang, Heard, Player, Say, Wait, ask, player, temporary

pytestmark = pytest.mark.anyio


class Unknown(Struct, frozen=True):
    pass


class Question(Call[int], frozen=True):
    pass


async def test_a_cast_never_waits_and_never_fails_for_the_dead() -> None:
    """What is sent to an actor that has ended is a counted dead letter."""
    async with System() as system:
        ref = await system.start(player("one", []))
        await system.stop_child("one")
        with system.subscribe() as events:
            ref.cast(Say("hello?"))
            [letter] = events.take()
        assert not ref.alive
        assert system.dead_letters == 1
        assert (letter.kind, letter.path, letter.detail) == ("dead_letter", "/one", "Say: dead")


async def test_a_message_without_a_handler_is_refused_at_the_sender() -> None:
    """Sending what an actor does not handle is a mistake of the sender's, and says what it does handle."""
    async with System() as system:
        ref = await system.start(temporary(Asked))
        with pytest.raises(TypeError, match=r"Asked \(/it\) does not handle Unknown; it handles .*Question"):
            ref.cast(Unknown())
        with pytest.raises(TypeError, match="does not handle Heard"):
            await ref.call(Heard())


class Asked(Actor):
    @on(Question)
    def answer(self, _: Question) -> int:
        return 42


async def test_a_call_to_the_dead_is_not_delivered() -> None:
    """A call that nobody will see fails at once, and may be tried again."""
    async with System() as system:
        ref = await system.start(player("one", []))
        await system.stop_child("one")
        for address in (ref, system.lookup("/one"), system.lookup("/never/was")):
            with pytest.raises(NotDelivered, match=r"/(one|never/was): (dead|no such actor)"):
                await address.call(Heard())
        assert anyio.current_time() == 0


async def test_a_call_in_hand_is_lost_with_its_actor() -> None:
    """The callee may have acted on it, so this is another error than `NotDelivered`."""
    async with System() as system:
        ref = await system.start(player("one", [], restart="temporary"))
        with pytest.raises(ReplyLost, match="/one ended with the message in hand"):
            await ref.call(CrashNow())


async def test_a_call_in_the_queue_is_not_delivered_when_its_actor_dies() -> None:
    """Calls that still wait when the actor crashes were never looked at; none waits for its timeout."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(player("one", [], restart="temporary"))
        ref.cast(Crash())
        for _ in range(3):
            group.start_soon(ask, outcomes, ref, Heard())
        await system.join(ref)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [NotDelivered] * 3


async def test_a_call_ends_with_its_deadline() -> None:
    """No reply in time is `CallTimeout`, at most a thirty-second of the time-out late."""
    async with System() as system:
        ref = await system.start(player("one", []))
        ref.cast(Hang())
        with pytest.raises(CallTimeout, match="/one did not answer Heard within 64 s") as caught:
            await ref.call(Heard(), timeout=64)
        assert 64 <= anyio.current_time() <= 66.1
        assert isinstance(caught.value, TimeoutError)
        system.kill(ref)


async def test_a_late_reply_is_a_dead_letter() -> None:
    """An answer after the deadline reaches nobody, and changes nothing but the count."""
    async with System() as system:
        ref = await system.start(player("one", []))
        with pytest.raises(CallTimeout):
            await ref.call(Wait(10), timeout=1)
        assert await ref.call(Heard(), timeout=60) == []
        assert system.dead_letters == 1


async def test_a_call_given_up_in_the_queue_is_never_handled() -> None:
    """When its caller is cancelled before its turn, the message is dropped and counted."""
    async with System() as system:
        ref = await system.start(temporary(Counting))
        async with anyio.create_task_group() as group:
            group.start_soon(ref.call, Wait(10), 60)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(1):
                await ref.call(Question(), timeout=60)
        assert await ref.call(Question()) == 1
        assert system.dead_letters == 1


class Counting(Player):
    def __init__(self) -> None:
        super().__init__("counting", [])
        self.count = 0

    @on(Question)
    def answer(self, _: Question) -> int:
        self.count += 1
        return self.count


async def test_a_name_finds_the_incarnation_of_the_day() -> None:
    """A named address reaches the successor of a crashed actor; the old incarnation's own address never does."""
    log: list[str] = []
    async with System() as system:
        name = system.lookup("/one")
        name.cast(Say("nobody home"))
        first = await system.start(player("one", log))
        name.cast(Crash())
        await system.join(first)
        await anyio.wait_all_tasks_blocked()
        assert (first.alive, name.alive) == (False, True)
        assert name == system.lookup("/one")
        first.cast(Say("to the old one"))
        name.cast(Say("to the new one"))
        assert await name.call(Heard()) == ["to the new one"]
        assert system.dead_letters == 2


async def test_addresses_are_values() -> None:
    """Addresses of the same incarnation are equal and hash alike, and show their path."""
    async with System() as system:
        one = await system.start(player("one", []))
        two = await system.start(player("two", []))
        assert len({one, two, one}) == 2
        assert one.path == "/one"
        assert repr(one) == "<Ref /one>"
        assert repr(system.lookup("/two")) == "<NamedRef /two>"


class Caller(Actor):
    """Asks on, whoever it is told to."""

    class AskOn(Call[int], frozen=True):
        others: tuple[Ref, ...]

    @on(AskOn)
    async def ask_on(self, message: AskOn) -> int:
        first, *others = message.others
        return 1 + await first.call(Caller.AskOn(tuple(others)), timeout=50) if others else 1


async def test_a_circle_of_calls_is_refused_instead_of_waiting_for_itself() -> None:
    """Actors that would wait for one another in a circle get an error that names the circle."""
    async with System() as system:
        one, two, three = [await system.start(ChildSpec(name, Caller, restart="temporary")) for name in ("a", "b", "c")]
        assert await one.call(Caller.AskOn((two, three, two))) == 3
        with system.subscribe() as events:
            with pytest.raises(ReplyLost):
                await one.call(Caller.AskOn((two, three, one, two)))
            crash = next(event for event in events.take() if event.kind == "crashed")
        assert crash.path == "/c"
        assert "/c -> /a -> /b -> /c" in crash.detail
        assert anyio.current_time() < 1
    assert issubclass(CallCycle, NotDelivered)
