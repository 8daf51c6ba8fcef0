"""How many containers are made at once."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from greenroom.sandboxes.docker.admission import Admission

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def most_at_once(admission: Admission, count: int, seconds: float) -> int:
    """Make so many, each taking so long; how many were being made at once."""
    busy = most = 0

    async def one() -> None:
        nonlocal busy, most
        await admission.turn()
        busy += 1
        most = max(most, busy)
        await anyio.sleep(seconds)
        busy -= 1
        admission.done(seconds)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(one)
    return most


async def test_no_more_than_the_engine_can_take() -> None:
    """A hundred who come at once are let in four at a time, and none is forgotten."""
    admission = Admission(4)
    assert await most_at_once(admission, 100, 0.2) == 4
    assert (admission.busy, admission.waiting, admission.limit) == (0, 0, 4)


async def test_a_slow_engine_is_given_less() -> None:
    """When making one takes much longer than it did, fewer are let in; when it is quick again, as many as before."""
    admission = Admission(8)
    await most_at_once(admission, 8, 0.5)
    await most_at_once(admission, 20, 10.0)
    assert admission.limit == 1
    assert await most_at_once(admission, 5, 10.0) == 1
    await most_at_once(admission, 8, 0.5)
    assert admission.limit == 8


async def test_slowness_from_the_start_is_no_trouble() -> None:
    """An engine that has never been quicker is not throttled for what it is."""
    admission = Admission(4)
    await most_at_once(admission, 20, 5.0)
    assert admission.limit == 4


async def test_who_gives_up_takes_no_turn() -> None:
    """Whoever is cancelled while waiting, or just as the turn comes, leaves it to the next."""
    admission = Admission(1)
    await admission.turn()
    waiting = [asyncio.create_task(admission.turn()) for _ in range(3)]
    await anyio.sleep(0.1)
    waiting[0].cancel()
    admission.done()
    waiting[1].cancel()  # its turn has come, but it does not know yet
    await asyncio.wait(waiting)
    assert (waiting[2].exception(), admission.busy, admission.waiting) == (None, 1, 0)
    admission.done()
    assert admission.busy == 0


async def test_a_failed_creation_teaches_nothing() -> None:
    """A turn that made nothing is given back without a time."""
    admission = Admission(2)
    await admission.turn()
    admission.done()
    assert (admission.busy, admission.seconds, admission.limit) == (0, 0.0, 2)
