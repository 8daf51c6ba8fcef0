from __future__ import annotations

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, Exit, Killed, NotDelivered, Supervisor, System, on
from tests.kernel.players import Crash, Heard, Player, Say, player, temporary

pytestmark = pytest.mark.anyio


class Stubborn(Player):
    """Ignores its cancellation until it is let go."""

    def __init__(self, release: anyio.Event, log: list[str] | None = None) -> None:
        super().__init__("stubborn", [] if log is None else log)
        self.release = release

    @on(Say)
    async def refuse(self, _: Say) -> None:
        with anyio.CancelScope(shield=True):
            await self.release.wait()


async def test_who_ignores_its_cancellation_is_abandoned_in_time() -> None:
    """A stop never takes longer than the budget and the strikes after it; the zombie is told of, and cut off."""
    release = anyio.Event()
    async with System(fence_after=3) as system:
        with system.subscribe() as events:
            ref = await system.start(temporary(lambda: Stubborn(release), shutdown=10))
            ref.cast(Say("stay"))
            await anyio.wait_all_tasks_blocked()
            began = anyio.current_time()
            await system.stop_child("it")
            assert anyio.current_time() - began == pytest.approx(16)
            assert [event.path for event in events.take() if event.kind == "zombie"] == ["/it"]
        assert not ref.alive
        assert await system.join(ref) == Killed()
        with pytest.raises(NotDelivered):
            await ref.call(Heard())
        release.set()
        await anyio.wait_all_tasks_blocked()


async def test_the_tree_goes_on_without_a_zombie() -> None:
    """Its supervisor restarts the child beside it, and what the zombie still sends when it wakes is worth nothing."""
    release = anyio.Event()
    log: list[str] = []
    async with System(fence_after=1) as system:
        top = Supervisor([ChildSpec("a", lambda: Stubborn(release, log), shutdown="brutal")])
        await system.start(ChildSpec("top", lambda: top))
        old = system.lookup("/top/a").resolve()
        assert old is not None
        system.lookup("/top/a").cast(Say("stay"))
        await anyio.wait_all_tasks_blocked()
        system.kill(system.lookup("/top/a"))
        await anyio.sleep(5)
        assert log == ["stubborn starts", "stubborn starts"]
        assert await system.lookup("/top/a").call(Heard()) == []
        release.set()
        await anyio.wait_all_tasks_blocked()
        assert await system.lookup("/top/a").call(Heard()) == []
        assert old.state == "zombie"


async def test_a_system_ends_although_somebody_ignores_it() -> None:
    """Leaving is bounded, whatever actors do."""
    release = anyio.Event()
    began = 0.0
    async with System(shutdown=5, fence_after=1) as system:
        ref = await system.start(temporary(lambda: Stubborn(release), shutdown=1000))
        ref.cast(Say("stay"))
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
    seconds = anyio.current_time() - began
    release.set()
    await anyio.wait_all_tasks_blocked()
    assert seconds <= 8


async def test_a_clean_up_that_hangs_is_cut_off() -> None:
    """`stopped` gets the rest of the budget, then it is cancelled: the end is `Killed`, and nobody waits any longer."""

    class Messy(Actor):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep_forever()

    async with System() as system:
        ref = await system.start(temporary(Messy, shutdown=10))
        await system.stop_child("it")
        assert anyio.current_time() == 10
        assert await system.join(ref) == Killed()


async def test_a_crash_gets_its_budget_to_clean_up_too() -> None:
    """The clean-up of an actor that ended by itself is bounded by the same budget."""

    class Messy(Player):
        async def stopped(self, exit: Exit) -> None:
            await anyio.sleep_forever()

    async with System() as system:
        ref = await system.start(temporary(lambda: Messy("messy", []), shutdown=10))
        ref.cast(Crash())
        await system.join(ref)
        assert anyio.current_time() == 10


async def test_stopping_twice_is_stopping_once() -> None:
    """A second stop does not shorten the budget, nor start another end."""
    log: list[str] = []
    async with System() as system, anyio.create_task_group() as group:
        await system.start(player("a", log))
        for _ in range(2):
            group.start_soon(system.stop_child, "a")
    assert log == ["a starts", "a stops: Shutdown"]
