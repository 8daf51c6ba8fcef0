"""What the dead leave behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, Supervisor, System

pytestmark = pytest.mark.anyio


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
