from __future__ import annotations

import logging
from functools import partial

import anyio
import pytest

from greenroom.kernel import Actor, ChildSpec, System
from greenroom.kernel._crash import crashed, is_cancellation, root_cause

pytestmark = pytest.mark.anyio


async def a_cancellation() -> BaseException:
    """What the event loop raises in a cancelled task."""
    caught: list[BaseException] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except BaseException as error:
            caught.append(error)
            raise
    return caught[0]


async def test_one_failure_among_cancellations_is_the_cause() -> None:
    """Groups are flattened, and the cancellations of the siblings of what failed are left out."""
    cause = ValueError("the cause")
    inner = BaseExceptionGroup("inner", [await a_cancellation(), cause])
    assert root_cause(BaseExceptionGroup("outer", [inner, await a_cancellation()])) is cause
    assert root_cause(cause) is cause


async def test_several_failures_stay_together() -> None:
    """None of them hides another; their order is the order of the groups."""
    first, second = ValueError("first"), KeyError("second")
    group = BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [first, await a_cancellation()]), second])
    cause = root_cause(group)
    assert getattr(cause, "exceptions", None) == (first, second)


async def test_a_cancellation_is_the_event_loops_own() -> None:
    """Also in a group, but only if nothing else is in there."""
    cancellation = await a_cancellation()
    assert is_cancellation(cancellation)
    assert is_cancellation(BaseExceptionGroup("group", [cancellation]))
    assert not is_cancellation(BaseExceptionGroup("group", [cancellation, ValueError()]))
    assert not is_cancellation(KeyboardInterrupt())


async def test_a_crash_keeps_the_end_of_a_long_traceback() -> None:
    """The text is bounded, and what it keeps is the end, where the error stands."""

    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError("x" * 10_000 + "the end")
        dive(depth - 1)

    with pytest.raises(ValueError, match="the end") as caught:
        dive(50)
    crash = crashed(caught.value, "started")
    assert len(crash.traceback) <= 8 * 1024
    assert crash.traceback.rstrip().endswith("the end")
    assert (crash.exception, crash.message) == (caught.value, "started")


class _Ordinary(Exception):
    """How some actors end."""


class _Fails(Actor):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def started(self) -> None:
        self.run(self._fail(), name="fail")

    async def _fail(self) -> None:
        raise self.error


async def test_a_crash_is_logged_with_its_traceback_unless_it_is_expected(caplog: pytest.LogCaptureFixture) -> None:
    """A defect stands in the log at level error with the place it comes from; what is expected, at level debug."""
    caplog.set_level(logging.DEBUG)
    async with System(expected=(_Ordinary,)) as system:
        for name, error in (("ordinary", _Ordinary()), ("defect", KeyError("bug"))):
            await system.start(ChildSpec(name, partial(_Fails, error), restart="temporary"))
        await anyio.wait_all_tasks_blocked()
    levels = {record.message.split()[0]: record for record in caplog.records if "crashed" in record.message}
    assert levels["/ordinary"].levelno == logging.DEBUG
    assert levels["/defect"].levelno == logging.ERROR
    assert "raise self.error" in levels["/defect"].message
    assert "KeyError('bug')" in levels["/defect"].message
