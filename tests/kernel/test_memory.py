"""What the dead leave behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import anyio
import pytest

from greenroom.kernel import Actor, Call, ChildSpec, Supervisor, System, on

pytestmark = pytest.mark.anyio


class Ask(Call[int], frozen=True):
    n: int


@pytest.fixture(autouse=True)
def without_the_collector() -> Iterator[None]:
    """Whatever is a circle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_what_an_actor_held_goes_with_it() -> None:
    """An actor that ended is freed at once, not when the cyclic collector comes by, although its address is kept."""
    alive: weakref.WeakSet[Actor] = weakref.WeakSet()

    class Member(Actor):
        def __init__(self) -> None:
            alive.add(self)

        async def started(self) -> None:
            """Somebody waits for it."""

    async with System() as system:
        ref = await system.start(ChildSpec("one", Member, restart="temporary"))
        assert len(alive) == 1
        await system.stop_child("one")
        await anyio.wait_all_tasks_blocked()
        assert len(alive) == 0
        assert not ref.alive


async def test_the_dead_are_no_circles() -> None:
    """Actors that came and went, called and were waited for, leave nothing at all to the cyclic collector."""

    class Asking(Actor):
        async def started(self) -> None:
            """Somebody waits for it."""

        @on(Ask)
        async def ask(self, message: Ask) -> int:
            return message.n

    async with System() as system:
        await system.start(ChildSpec("top", lambda: Supervisor(strategy="dynamic")))
        top = system.lookup("/top")
        for n in range(3):
            ref = await top.call(Supervisor.StartChild(ChildSpec("one", Asking, restart="temporary")))
            assert await ref.call(Ask(n)) == n
            await top.call(Supervisor.StopChild("one"))
            del ref
        await anyio.wait_all_tasks_blocked()
        gc.collect()  # whatever starting and warming up has left
        gc.set_debug(gc.DEBUG_SAVEALL)
        ref = await top.call(Supervisor.StartChild(ChildSpec("one", Asking, restart="temporary")))
        await ref.call(Ask(1))
        await top.call(Supervisor.StopChild("one"))
        del ref
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        gc.set_debug(0)
    ours = [type(thing).__qualname__ for thing in gc.garbage if type(thing).__module__.startswith("greenroom.")]
    gc.garbage.clear()
    assert ours == []


async def test_what_a_tree_held_goes_with_it() -> None:
    """The same holds for a supervisor and its children."""
    alive: weakref.WeakSet[Actor] = weakref.WeakSet()

    class Member(Actor):
        def __init__(self) -> None:
            alive.add(self)

    def tree() -> Supervisor:
        supervisor = Supervisor([ChildSpec(id, Member) for id in "abc"], strategy="one_for_all")
        alive.add(supervisor)
        return supervisor

    async with System() as system:
        await system.start(ChildSpec("tree", tree, restart="temporary"))
        assert len(alive) == 4
        await system.stop_child("tree")
        await anyio.wait_all_tasks_blocked()
        assert len(alive) == 0
