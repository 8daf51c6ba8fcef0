from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.kernel import Crashed, System, on
from greenroom.kernel._timers import Timers, Wheel
from tests.kernel.players import Crash, Heard, Player, Say, temporary


class SetTimer(Struct, frozen=True):
    delay: float
    text: str
    key: str | None = None


class CancelTimer(Struct, frozen=True):
    key: str


class Sleeper(Player):
    @on(SetTimer)
    def set_timer(self, message: SetTimer) -> None:
        self.after(message.delay, Say(message.text), key=message.key)

    @on(CancelTimer)
    def cancel(self, message: CancelTimer) -> None:
        self.cancel_timer(message.key)

    @on(Say)
    def say(self, message: Say) -> None:
        self.heard.append(f"{message.text} at {anyio.current_time():g}")


def sleeper() -> Sleeper:
    """An actor that sets timers."""
    return Sleeper("sleeper", [])


@pytest.mark.anyio
async def test_timers_are_messages_in_the_order_of_their_times() -> None:
    """Each fires once, when it is due; those of one instant in the order they were set."""
    async with System() as system:
        ref = await system.start(temporary(sleeper))
        for delay, text in ((3600, "hour"), (1, "first"), (60, "minute"), (1, "second")):
            ref.cast(SetTimer(delay, text))
        await anyio.sleep(5000)
        assert await ref.call(Heard()) == ["first at 1", "second at 1", "minute at 60", "hour at 3600"]


@pytest.mark.anyio
async def test_a_timer_with_a_key_replaces_the_one_before() -> None:
    """A key stands for one timer at most, which can be cancelled; cancelling nothing is no error."""
    async with System() as system:
        ref = await system.start(temporary(sleeper))
        for message in (
            SetTimer(10, "old", "a"),
            SetTimer(20, "new", "a"),
            SetTimer(10, "cancelled", "b"),
            CancelTimer("b"),
            CancelTimer("never was"),
        ):
            ref.cast(message)
        await anyio.sleep(100)
        assert await ref.call(Heard()) == ["new at 20"]


@pytest.mark.anyio
async def test_timers_die_with_their_incarnation() -> None:
    """A restarted actor never sees what its predecessor had set."""
    async with System() as system:
        ref = await system.start(temporary(sleeper, "a"))
        again = await system.start(temporary(sleeper, "b"))
        ref.cast(SetTimer(10, "mine"))
        ref.cast(Crash())
        await system.join(ref)
        successor = await system.start(temporary(sleeper, "a"))
        await anyio.sleep(100)
        assert await successor.call(Heard()) == []
        assert await again.call(Heard()) == []
        assert system.dead_letters == 0


@pytest.mark.anyio
async def test_a_timer_needs_a_handler() -> None:
    """A message nobody would handle is refused when the timer is set, not an hour later."""

    class Careless(Player):
        @on(Say)
        def say(self, message: Say) -> None:
            self.after(3600, SetTimer(0, ""))

    async with System() as system:
        ref = await system.start(temporary(lambda: Careless("careless", [])))
        ref.cast(Say("go"))
        exit = await system.join(ref)
        assert isinstance(exit, Crashed)
        assert "no handler for SetTimer" in str(exit.exception)


class Alarm:
    """The clock and the one alarm of an event loop, moved by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        self.due = math.inf
        self.on_alarm: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def alarm(self, when: float) -> None:
        self.due = when

    def run(self, until: float = math.inf) -> None:
        """Let time pass."""
        while self.due <= until and self.due != math.inf:
            self.time = max(self.time, self.due)
            self.on_alarm()


delays = st.floats(0, 1000)


@given(st.lists(st.tuples(delays, st.booleans()), max_size=60))
def test_every_timer_fires_once_in_order_unless_cancelled(timers: list[tuple[float, bool]]) -> None:
    """Whatever is set and cancelled, what is left fires in order of time and of setting, and nothing remains."""
    clock: Any = Alarm()
    under_test = Timers(clock)
    fired: list[tuple[float, int]] = []
    made = [
        under_test.after(delay, lambda entry=(delay, number): fired.append(entry))  # type: ignore[misc]
        for number, (delay, _) in enumerate(timers)
    ]
    for timer, (_, cancelled) in zip(made, timers, strict=True):
        if cancelled:
            timer.cancel()
            timer.cancel()
    kept = sorted((delay, number) for number, (delay, cancelled) in enumerate(timers) if not cancelled)
    assert len(under_test) == len(kept)
    clock.run()
    assert fired == kept
    assert len(under_test) == 0


def test_cancelled_timers_do_not_pile_up() -> None:
    """A million deadlines that were all met leave room for little more than those that are still set."""
    under_test = Timers(Alarm())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for number in range(20_000):
        under_test.after(1000 + number, lambda: None).cancel()
    assert len(under_test) == 0
    assert len(under_test._heap) < 2000


def test_what_expires_at_once_does_so_in_order() -> None:
    """Calls of one bucket expire in the order in which they were made, so that a seed always gives the same run."""
    clock: Any = Alarm()
    wheel = Wheel(clock, Timers(clock))
    expired: dict[int, float] = {}
    for number in range(100):
        wheel.add(Deadline(number, expired, clock), 1.0)
    clock.run()
    assert list(expired) == list(range(100))


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.001, 100)), min_size=1, max_size=40))
def test_the_wheel_is_never_early_and_hardly_late(calls: list[tuple[float, float]]) -> None:
    """A call's deadline fires within a thirty-second of its delay, and not before."""
    clock: Any = Alarm()
    wheel = Wheel(clock, Timers(clock))
    expired: dict[int, float] = {}
    for number, (at, delay) in enumerate(sorted(calls)):
        clock.run(until=at)
        clock.time = at
        wheel.add(Deadline(number, expired, clock), delay)
    clock.run()
    for number, (at, delay) in enumerate(sorted(calls)):
        lateness = expired[number] - (at + delay)
        assert -1e-9 <= lateness <= delay / 32 + 1e-9


class Deadline:
    """Something that expires, and remembers when."""

    def __init__(self, number: int, expired: dict[int, float], clock: Alarm) -> None:
        self.number = number
        self.expired = expired
        self.clock = clock

    def expire(self) -> None:
        self.expired[self.number] = self.clock.time


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_callback_that_raises_stops_no_other_timer() -> None:
    """A defect in one callback is told by the event loop; what is due at that moment and later still comes."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(str(context["exception"])))
    async with System() as system:

        def fail() -> None:
            raise ArithmeticError("a defect")

        system.timers.after(1, fail)
        system.timers.after(1, lambda: told.append("at once"))
        system.timers.after(5, lambda: told.append("later"))
        await anyio.sleep(10)
    assert told == ["a defect", "at once", "later"]
