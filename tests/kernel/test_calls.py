"""Each call ends exactly once, whatever its actor, its caller and the clock do. How one is sent is in `test_ref`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    Call,
    CallTimeout,
    NotDelivered,
    Reply,
    ReplyLost,
    StartFailed,
    Supervisor,
    System,
    on,
)
from greenroom.kernel._errors import CallCycle
from tests.kernel.players import Crash, Heard, Player, Say, Wait, ask, player, temporary

pytestmark = pytest.mark.anyio


class Ask(Call[str], frozen=True):
    """Be answered when the actor pleases."""


class Answer(Struct, frozen=True):
    """Use these replies of the last call, one after the other."""

    texts: tuple[str, ...]


class Refuse(Struct, frozen=True):
    """Answer the last call with this error."""

    error: Exception


class Open(Struct, frozen=True):
    """From now on, answer at once."""


class Keeper(Player):
    """Keeps its replies until it is told to give them."""

    def __init__(self) -> None:
        super().__init__("keeper", [])
        self.kept: list[Reply[str]] = []

    @on(Ask)
    def keep(self, _: Ask) -> Reply[str]:
        self.kept.append(self.defer(abandoned=Say("gone")))
        return self.kept[-1]

    @on(Answer)
    def answer(self, message: Answer) -> None:
        for text in message.texts:
            self.kept[-1].send(text)

    @on(Refuse)
    def refuse(self, message: Refuse) -> None:
        self.kept[-1].fail(message.error)


async def test_only_the_first_answer_counts() -> None:
    """Further answers to the same call are dropped and counted, also errors."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Keeper))
        group.start_soon(ask, outcomes, ref, Ask())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Answer(("one", "two", "three")))
        ref.cast(Refuse(ValueError("four")))
        await anyio.wait_all_tasks_blocked()
        assert (outcomes, system.dead_letters) == (["one"], 3)


async def test_a_refusal_is_the_callers_own_error() -> None:
    """The very exception the actor answered with is raised at the caller, whatever it is, and nobody crashes."""
    outcomes: list[object] = []
    error = StopAsyncIteration("a strange one")
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Keeper))
        group.start_soon(ask, outcomes, ref, Ask())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Refuse(error))
        await anyio.wait_all_tasks_blocked()
        assert outcomes == [error]
        assert ref.alive


async def test_replies_of_many_callers_do_not_mix() -> None:
    """Each of a thousand callers at once gets the answer to its own question."""

    class Echo(Call[int], frozen=True):
        number: int

    class Echoing(Actor):
        @on(Echo)
        def echo(self, message: Echo) -> int:
            return message.number

    answers: dict[int, int] = {}

    async def one(number: int) -> None:
        answers[number] = await ref.call(Echo(number))

    async with System() as system:
        ref = await system.start(temporary(Echoing))
        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(one, number)
    assert answers == {number: number for number in range(1000)}


async def test_calls_expire_each_at_its_own_time() -> None:
    """Deadlines are kept apart however they were set; a call without one waits for as long as it takes."""
    expired: list[float] = []
    outcomes: list[object] = []

    async def one(seconds: float) -> None:
        with pytest.raises(CallTimeout):
            await ref.call(Ask(), timeout=seconds)
        expired.append(seconds)

    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Keeper))
        for seconds in (100, 0.001, 7, 40, 0):
            group.start_soon(one, seconds)
        await anyio.sleep(1)
        group.start_soon(ask, outcomes, ref, Ask(), math.inf)
        await anyio.sleep(50_000)
        assert (expired, outcomes) == ([0, 0.001, 7, 40, 100], [])
        ref.cast(Answer(("at last",)))
        await anyio.wait_all_tasks_blocked()
        assert outcomes == ["at last"]
        assert await ref.call(Heard()) == ["gone"] * 5


async def test_a_call_that_expires_in_the_queue_is_never_handled() -> None:
    """What nobody waits for any more is not done: the message is dropped and counted when its turn comes."""
    actor = Keeper()
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(lambda: actor))
        group.start_soon(ref.call, Wait(10), 60)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(CallTimeout):
            await ref.call(Ask(), timeout=1)
        await anyio.sleep(20)
        assert (actor.kept, system.dead_letters) == ([], 1)


async def test_whoever_answers_is_not_told_that_the_caller_went_away() -> None:
    """A call that was answered was not abandoned."""
    async with System() as system:
        ref = await system.start(temporary(Keeper))
        async with anyio.create_task_group() as group:
            group.start_soon(ref.call, Ask())
            await anyio.wait_all_tasks_blocked()
            ref.cast(Answer(("one",)))
        assert await ref.call(Heard()) == []


class Door(Player):
    """Closed, it puts calls aside in one way or another; open, it answers."""

    __state__ = "closed"

    def __init__(self, *, opens: bool = False) -> None:
        super().__init__("door", [])
        self.opens = opens

    @on(Ask, state="closed")
    def aside(self, _: Ask) -> str:
        self.stash()
        if self.opens:
            self.become("open")
        return "not this"

    @on(Open, state="closed")
    def open_up(self, _: Open) -> None:
        self.become("open")

    @on(Ask, state="open")
    def answer(self, _: Ask) -> str:
        return "come in"


async def test_a_call_that_is_put_aside_still_waits() -> None:
    """A stashed call is answered when it is handled again; what its handler returned meanwhile is nobody's answer."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Door))
        group.start_soon(ask, outcomes, ref, Ask())
        await anyio.sleep(1)
        assert outcomes == []
        ref.cast(Open())
        await anyio.wait_all_tasks_blocked()
        assert outcomes == ["come in"]


async def test_a_call_may_be_put_aside_for_a_state_that_begins_at_once() -> None:
    """Stashing a call and changing the state in one handler means: handle this again, in the new state."""
    async with System() as system:
        ref = await system.start(temporary(lambda: Door(opens=True)))
        assert await ref.call(Ask()) == "come in"


async def test_a_call_put_aside_is_lost_with_its_actor() -> None:
    """Whoever waits for a stashed call hears at once when the actor ends."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(temporary(Door))
        group.start_soon(ask, outcomes, ref, Ask())
        await anyio.wait_all_tasks_blocked()
        ref.cast(Crash())
        await anyio.wait_all_tasks_blocked()
        assert len(outcomes) == 1
        assert isinstance(outcomes[0], Exception)
        assert anyio.current_time() < 1


class Act(Call[str], frozen=True):
    """Do this in the handler, or in a job, and answer with what it says."""

    work: Callable[[], Awaitable[object]]
    job: bool = False


class Acting(Actor):
    """Does what it is asked to."""

    @on(Act)
    async def act(self, message: Act) -> str | Reply[str]:
        if not message.job:
            return str(await message.work())
        reply: Reply[str] = self.defer()

        async def beside() -> None:
            reply.send(str(await message.work()))

        self.run(beside())
        return reply


async def test_a_call_to_oneself_is_refused() -> None:
    """The shortest circle is named, too, before it waits."""
    errors: list[object] = []
    async with System() as system:
        ref = await system.start(temporary(Acting))
        await ref.call(Act(lambda: ask(errors, ref, Act(anyio.sleep_forever))))
        assert ref.alive
    [error] = errors
    assert isinstance(error, CallCycle)
    assert str(error) == "/it -> /it"


async def test_a_job_may_call_its_own_actor() -> None:
    """A job waits beside its actor, so this is no circle."""
    async with System() as system:
        ref = await system.start(temporary(Acting))

        async def work() -> object:
            return await ref.call(Act(one), timeout=1)

        assert await ref.call(Act(work, job=True)) == "1"


async def one() -> int:
    """The answer."""
    return 1


async def test_a_chain_of_calls_is_no_circle_once_it_is_over() -> None:
    """Whom an actor waited for is forgotten with the answer, the error or the time-out."""
    outcomes: list[object] = []
    async with System() as system:
        first = await system.start(temporary(Acting, "first"))
        second = await system.start(temporary(Acting, "second"))
        for sleep, timeout in ((0.0, 5.0), (60.0, 1.0)):
            work = Act(lambda sleep=sleep: anyio.sleep(sleep))  # type: ignore[misc]
            await first.call(Act(lambda: ask(outcomes, second, work, timeout)))  # noqa: B023
        await anyio.sleep(100)
        await second.call(Act(lambda: ask(outcomes, first, Act(one))))
    first_outcome, second_outcome, last_outcome = outcomes
    assert (first_outcome, last_outcome) == ("None", "1")
    assert isinstance(second_outcome, CallTimeout)


async def test_a_call_that_is_answered_makes_no_circle() -> None:
    """Whoever has an answer does not wait any more, even if it has had no turn to look at it."""
    outcomes: list[object] = []
    async with System() as system:
        first = await system.start(temporary(Acting, "first"))
        second = await system.start(temporary(Acting, "second"))
        system.suspend(second)
        async with anyio.create_task_group() as group:
            group.start_soon(first.call, Act(lambda: second.call(Act(one))))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(second.call, Act(lambda: ask(outcomes, first, Act(one))))
            await anyio.wait_all_tasks_blocked()
            system.suspend(second, on=False)
    assert outcomes == ["1"]


async def test_a_circle_of_others_is_not_ones_own() -> None:
    """Two that wait for each other, a child for its supervisor and that one for its end, hold up nobody who calls."""
    outcomes: list[object] = []
    lost: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        child = await system.start(temporary(Acting, "child"))
        other = await system.start(temporary(Acting, "other"))
        system.suspend(system.root)
        group.start_soon(system.stop_child, "child")
        await anyio.wait_all_tasks_blocked()
        call_back = Act(lambda: system.root.call(Supervisor.StopChild("nobody"), timeout=1000))
        group.start_soon(ask, lost, child, call_back)
        await anyio.wait_all_tasks_blocked()
        system.suspend(system.root, on=False)
        await anyio.wait_all_tasks_blocked()
        await other.call(Act(lambda: ask(outcomes, child, Act(one))), timeout=1000)
    [outcome] = outcomes
    assert isinstance(outcome, NotDelivered)
    assert not isinstance(outcome, CallCycle)


async def test_a_caller_that_dies_is_a_caller_that_went_away() -> None:
    """The actor that owes an answer is told when its caller is killed in the middle of the call."""
    async with System() as system, anyio.create_task_group() as group:
        keeper = await system.start(temporary(Keeper, "keeper"))
        caller = await system.start(temporary(Acting, "caller"))
        outcomes: list[object] = []
        group.start_soon(ask, outcomes, caller, Act(lambda: keeper.call(Ask(), timeout=1000)))
        await anyio.wait_all_tasks_blocked()
        system.kill(caller)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [ReplyLost]
        assert await keeper.call(Heard()) == ["gone"]


async def test_a_child_may_call_its_elder_sibling_while_it_starts() -> None:
    """What was started before it is ready to answer."""

    class Needy(Player):
        async def started(self) -> None:
            self.heard = await self.sibling("elder").call(Heard())

    async with System() as system:
        elder = await system.start(player("elder", []))
        elder.cast(Say("advice"))
        younger = await system.start(temporary(lambda: Needy("younger", []), "younger"))
        assert await younger.call(Heard()) == ["advice"]


async def test_a_child_cannot_call_its_younger_sibling_while_it_starts() -> None:
    """Nobody is there yet: the start fails at once, with the reason."""

    class Hasty(Player):
        async def started(self) -> None:
            await self.sibling("younger").call(Heard())

    async with System() as system:
        with pytest.raises(StartFailed, match="/younger: no such actor"):
            await system.start(temporary(lambda: Hasty("elder", []), "elder"))
        assert anyio.current_time() == 0


async def test_a_child_that_calls_its_supervisor_while_it_starts_is_refused() -> None:
    """The supervisor waits for the start, so this is a circle like any other: an error that names it, at once."""

    class Needy(Player):
        async def started(self) -> None:
            await self.parent.call(Supervisor.StopChild("other"), timeout=math.inf)

    async with System() as system:
        with pytest.raises(StartFailed, match="/it -> /"):
            await system.start(temporary(lambda: Needy("needy", [])))
        assert anyio.current_time() == 0
