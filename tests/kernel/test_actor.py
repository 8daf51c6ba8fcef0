from __future__ import annotations

import asyncio

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    Call,
    Crashed,
    Exit,
    Killed,
    Normal,
    Shutdown,
    StartFailed,
    System,
    TimedOut,
    on,
)
from tests.kernel.players import Crash, Hang, Heard, Leave, Player, Say, player, temporary

pytestmark = pytest.mark.anyio


class Add(Call[int], frozen=True):
    number: int


class AddLater(Call[int], frozen=True):
    number: int


class Adder(Actor):
    def __init__(self, total: int = 0) -> None:
        self.total = total

    @on(Add)
    def add(self, message: Add) -> int:
        self.total += message.number
        return self.total

    @on(AddLater)
    async def add_later(self, message: AddLater) -> int:
        total = self.total
        await anyio.sleep(1)
        self.total = total + message.number
        return self.total


class Doubler(Adder):
    @on(Add)
    def add(self, message: Add) -> int:
        self.total += 2 * message.number
        return self.total


async def test_handlers_are_chosen_by_type_and_may_be_plain_or_async() -> None:
    """A call is answered with what its handler returns."""
    async with System() as system:
        ref = await system.start(temporary(lambda: Adder(10)))
        assert await ref.call(Add(5)) == 15
        assert await ref.call(AddLater(1)) == 16


async def test_a_subclass_overrides_one_handler_and_inherits_the_others() -> None:
    """Handlers are methods: the most derived one counts."""
    async with System() as system:
        ref = await system.start(temporary(Doubler))
        assert await ref.call(Add(5)) == 10
        assert await ref.call(AddLater(1)) == 11


async def test_one_message_at_a_time() -> None:
    """While a handler waits, the next message does too: state read before an await is still true after it."""
    async with System() as system:
        ref = await system.start(temporary(Adder))
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ref.call, AddLater(1), 60)
        assert await ref.call(Add(0)) == 10


async def test_messages_of_one_sender_arrive_in_order() -> None:
    """First in, first out, far beyond one batch."""
    async with System() as system:
        ref = await system.start(player("one", []))
        words = [str(number) for number in range(1000)]
        for word in words:
            ref.cast(Say(word))
        assert await ref.call(Heard()) == words


async def test_an_actor_is_ready_when_its_start_returns() -> None:
    """`started` is over before anybody gets the address."""

    class Slow(Player):
        async def started(self) -> None:
            await anyio.sleep(20)
            await super().started()

    log: list[str] = []
    async with System() as system:
        await system.start(temporary(lambda: Slow("slow", log)))
        assert (log, anyio.current_time()) == (["slow starts"], 20)


async def test_a_start_that_raises_is_the_starters_error() -> None:
    """`StartFailed` carries the exit with the exception; `stopped` cleans up, and nothing stays."""

    class Broken(Player):
        async def started(self) -> None:
            raise LookupError("no config")

    log: list[str] = []
    async with System() as system:
        with pytest.raises(StartFailed, match="it did not start") as caught:
            await system.start(temporary(lambda: Broken("it", log)))
        assert isinstance(caught.value.exit, Crashed)
        assert repr(caught.value.exit.exception) == "LookupError('no config')"
        assert log == ["it stops: Crashed"]
        assert [row.path for row in system.tree()] == ["/"]


async def test_a_start_has_a_deadline() -> None:
    """A `started` that hangs is cancelled when its time is up, or at most a thirty-second of that later."""

    class Stuck(Actor):
        async def started(self) -> None:
            await anyio.sleep_forever()

    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.start(temporary(Stuck, start_timeout=3))
        assert caught.value.exit == TimedOut("start")
        assert 3 <= anyio.current_time() <= 3 * 33 / 32


async def test_an_actor_may_decline_to_start() -> None:
    """Stopping in `started` is no failure: the start returns, and the actor is not there."""

    class Unneeded(Actor):
        async def started(self) -> None:
            self.stop()

    async with System() as system:
        ref = await system.start(temporary(Unneeded))
        assert not ref.alive
        assert system.lookup("/it").resolve() is None


@pytest.mark.parametrize("exit", [Normal(), Shutdown("enough")])
async def test_an_actor_stops_itself(exit: Exit) -> None:
    """`stop` ends it after the callback, with the exit it chose; what still waited is dead letters."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(player("one", log, restart="temporary"))
        ref.cast(Leave(exit))
        ref.cast(Say("too late"))
        assert await system.join(ref) == exit
        assert log == ["one starts", f"one stops: {type(exit).__name__}"]
        assert system.dead_letters == 1


async def test_a_crash_says_what_and_on_which_message() -> None:
    """The exit of a crash holds the exception, its traceback and the type of the message in hand."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(player("one", log, restart="temporary"))
        ref.cast(Crash("the wire is cut"))
        exit = await system.join(ref)
        assert isinstance(exit, Crashed)
        assert repr(exit.exception) == "LookupError('the wire is cut')"
        assert "in crash" in exit.traceback
        assert exit.message == "Crash"
        assert exit.abnormal
        assert log == ["one starts", "one stops: Crashed"]


async def test_clean_up_is_shielded_from_the_cancellation_before_it() -> None:
    """An actor whose handler was cancelled can still await in `stopped`, within its budget."""

    class Tidy(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep(4)
            await super().stopped(exit)

    log: list[str] = []
    async with System() as system:
        ref = await system.start(temporary(lambda: Tidy("tidy", log), shutdown=5))
        ref.cast(Hang())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("it")
        assert anyio.current_time() - began == pytest.approx(9)
    assert log == ["tidy starts", "tidy stops: Killed"]


async def test_an_error_while_cleaning_up_never_hides_the_cause() -> None:
    """The first exit stands; what went wrong afterwards is an event."""

    class Clumsy(Player):
        async def stopped(self, exit: Exit) -> None:
            raise ValueError("dropped it")

    async with System() as system:
        with system.subscribe() as events:
            ref = await system.start(temporary(lambda: Clumsy("clumsy", [])))
            ref.cast(Crash("the cause"))
            exit = await system.join(ref)
            assert isinstance(exit, Crashed)
            assert repr(exit.exception) == "LookupError('the cause')"
            [failed] = [event for event in events.take() if event.kind == "cleanup_failed"]
            assert "dropped it" in failed.detail


async def test_observe_is_the_door_to_the_state() -> None:
    """What `observe` returns is shown to whoever inspects; one that raises breaks nothing."""

    class Total(Struct, frozen=True):
        total: int

    class Open(Adder):
        def observe(self) -> Total:
            return Total(100 // self.total)

    async with System() as system:
        ref = await system.start(temporary(Open))
        broken = system.inspect("/it")
        assert broken is not None
        assert "ZeroDivisionError" in broken.observed
        await ref.call(Add(4))
        shown = system.inspect("/it")
        assert shown is not None
        assert shown.observed == Total(25)


class Door(Actor):
    """A state machine: closed, it puts knocks aside."""

    __state__ = "closed"

    class Knock(Struct, frozen=True):
        who: str

    class Open(Struct, frozen=True):
        pass

    def __init__(self) -> None:
        self.let_in: list[str] = []

    @on(Knock, state="closed")
    def keep(self, _: Knock) -> None:
        self.stash()

    @on(Open, state="closed")
    def open_up(self, _: Open) -> None:
        self.become("open")

    @on(Knock, state="open")
    def enter(self, message: Knock) -> None:
        self.let_in.append(message.who)


async def test_states_change_the_handlers_and_stashed_messages_come_back_in_order() -> None:
    """What was put aside is handled after the next `become`, before what came later; the rest is a dead letter."""
    door = Door()
    async with System() as system:
        ref = await system.start(temporary(lambda: door))
        for message in (Door.Knock("Ann"), Door.Knock("Bob"), Door.Open(), Door.Knock("Cy"), Door.Open()):
            ref.cast(message)
        await anyio.wait_all_tasks_blocked()
        assert door.let_in == ["Ann", "Bob", "Cy"]
        assert system.dead_letters == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # trio has no way to do this
async def test_a_cancellation_from_outside_is_a_crash() -> None:
    """An actor whose task somebody else cancels did not stop in order."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(player("one", log, restart="temporary"))
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "/one"]
        task.cancel()
        exit = await system.join(ref)
        assert isinstance(exit, Crashed)
        assert "from outside" in str(exit.exception)
        assert log == ["one starts", "one stops: Crashed"]


async def test_a_lifetime_ends_by_force() -> None:
    """An actor that lives too long ends `TimedOut`, whatever it is doing."""
    async with System() as system:
        idle = await system.start(player("idle", [], restart="temporary", lifetime=60))
        busy = await system.start(player("busy", [], restart="temporary", lifetime=90))
        busy.cast(Hang())
        assert await system.join(idle) == TimedOut("lifetime")
        assert anyio.current_time() == 60
        assert await system.join(busy) == TimedOut("lifetime")
        assert anyio.current_time() == 90


async def test_a_killed_actor_does_not_clean_up() -> None:
    """A brutal kill is told as `Killed`, and `stopped` does not run."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(player("one", log, restart="temporary"))
        system.kill(ref)
        assert await system.join(ref) == Killed()
    assert log == ["one starts"]


async def test_a_busy_actor_holds_up_nobody_else() -> None:
    """An actor that waits in its handler leaves all others their turns."""
    async with System() as system:
        slow = await system.start(player("slow", []))
        quick = await system.start(player("quick", []))
        slow.cast(Hang())
        await anyio.wait_all_tasks_blocked()
        assert await quick.call(Heard()) == []
        system.kill(slow)
