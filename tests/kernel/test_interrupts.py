"""What is meant for the program leaves through the root, and nobody is restarted meanwhile."""

from __future__ import annotations

import anyio
import pytest

from greenroom.kernel import Backoff, ChildSpec, Shutdown, Supervisor, System
from tests.kernel.doer import Do, DoBeside, Doer
from tests.kernel.players import Crash, Leave, Player, player

pytestmark = pytest.mark.anyio


async def interrupt() -> None:
    """Press Ctrl-C."""
    raise KeyboardInterrupt


async def interrupt_in_a_group() -> None:
    """The same, as a task group passes it on."""
    raise BaseExceptionGroup("a group", [BaseExceptionGroup("in a group", [KeyboardInterrupt()])])


async def interrupted(spec: ChildSpec, message: object) -> System:
    """A system of this child, deep in a tree, that is told something and left alone: the interrupt comes out of it."""
    caught: list[BaseException] = []

    def inner() -> Supervisor:
        return Supervisor([spec], intensity=100)

    system = System()
    try:
        async with system:
            await system.start(ChildSpec("top", lambda: Supervisor([ChildSpec("in", inner)])))
            system.lookup(f"/top/in/{spec.id}").cast(message)
            await anyio.sleep(1000)
    except KeyboardInterrupt as error:
        caught.append(error)
    assert len(caught) == 1
    assert anyio.current_time() < 1000
    return system


@pytest.mark.parametrize(
    "message",
    [Do(interrupt), Do(interrupt_in_a_group), DoBeside(interrupt), DoBeside(interrupt_in_a_group)],
    ids=["handler", "group", "job", "group in a job"],
)
async def test_an_interrupt_goes_to_the_root_and_out(message: object) -> None:
    """KeyboardInterrupt in a handler or a job, in groups or not, ends the program in order and restarts nobody."""
    log: list[str] = []
    await interrupted(ChildSpec("a", lambda: Doer(log)), message)
    assert log.count("doer starts") == 1
    assert log[-1].startswith("doer stops")


async def test_an_interrupt_in_stopped_goes_to_the_root_and_out() -> None:
    """Clean-up is no place to lose it either."""
    log: list[str] = []
    await interrupted(ChildSpec("a", lambda: Doer(log, interrupt)), Leave(Shutdown()))
    assert log.count("doer starts") == 1


async def test_an_interrupt_in_started_goes_to_the_root_and_out() -> None:
    """A start is no different, and is not tried again."""
    starts: list[str] = []

    class Interrupted(Player):
        async def started(self) -> None:
            starts.append("")
            if len(starts) > 1:
                raise KeyboardInterrupt

    await interrupted(ChildSpec("a", lambda: Interrupted("a", [])), Crash())
    assert len(starts) == 2


async def test_a_restart_that_waits_is_called_off_by_an_interrupt() -> None:
    """Who was to come back in a while does not, although others still take their time to stop."""
    log: list[str] = []
    returning = Supervisor([player("a", log)], backoff=Backoff(first=2, jitter=0))
    caught: list[BaseException] = []
    try:
        async with System() as system:
            specs = [
                ChildSpec("returning", lambda: returning),
                ChildSpec("slow", lambda: Doer([], lambda: anyio.sleep(4))),
            ]
            await system.start(ChildSpec("top", lambda: Supervisor(specs)))
            system.lookup("/top/returning/a").cast(Crash())
            await anyio.sleep(1)
            (await system.start(ChildSpec("b", Doer))).cast(Do(interrupt))
            await anyio.sleep(1000)
    except KeyboardInterrupt as error:
        caught.append(error)
    assert len(caught) == 1
    assert log == ["a starts", "a stops: Crashed"]
