from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import Crashed, Exit, System, on
from greenroom.kernel._job import Job
from tests.kernel.players import Heard, Player, Say, temporary

pytestmark = pytest.mark.anyio

Work = Callable[[], Coroutine[Any, Any, object]]


class Go(Struct, frozen=True):
    work: Work


class CancelIt(Struct, frozen=True):
    pass


class Worker(Player):
    def __init__(self, log: list[str] | None = None) -> None:
        super().__init__("worker", [] if log is None else log)
        self.job: Job | None = None

    @on(Go)
    def go(self, message: Go) -> None:
        self.job = self.run(message.work(), then=lambda result: Say(f"done: {result}"), name="digging")

    @on(CancelIt)
    def cancel_it(self, _: CancelIt) -> None:
        assert self.job is not None
        self.job.cancel()


async def dig() -> str:
    """Take ten seconds."""
    await anyio.sleep(10)
    return "a hole"


async def fail() -> None:
    """Fail after a second."""
    await anyio.sleep(1)
    raise LookupError("hit a rock")


async def test_a_job_runs_beside_the_actor_and_its_result_is_a_message() -> None:
    """The actor goes on answering; what `then` makes of the result arrives like any message."""
    async with System() as system:
        ref = await system.start(temporary(Worker))
        ref.cast(Go(dig))
        assert await ref.call(Heard()) == []
        assert anyio.current_time() == 0
        [_, row] = system.tree()
        assert row.jobs == ("digging",)
        await anyio.sleep(11)
        assert await ref.call(Heard()) == ["done: a hole"]
        [_, row] = system.tree()
        assert row.jobs == ()


async def test_a_failing_job_is_its_actors_failure() -> None:
    """The actor crashes of the job's own exception, and the exit names the job."""
    async with System() as system:
        ref = await system.start(temporary(Worker))
        ref.cast(Go(fail))
        exit = await system.join(ref)
        assert isinstance(exit, Crashed)
        assert repr(exit.exception) == "LookupError('hit a rock')"
        assert exit.message == "digging"


async def test_a_cancelled_job_says_nothing() -> None:
    """Cancelling a job is no failure, and its result is not sent."""
    async with System() as system:
        ref = await system.start(temporary(Worker))
        ref.cast(Go(dig))
        ref.cast(CancelIt())
        await anyio.sleep(20)
        assert await ref.call(Heard()) == []


async def test_jobs_are_over_before_their_actor_cleans_up() -> None:
    """When the actor ends its jobs are cancelled and waited for, their own clean-up included; then `stopped` runs."""
    log: list[str] = []

    async def careful() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            log.append("tools put away")

    async with System() as system:
        ref = await system.start(temporary(lambda: Worker(log)))
        ref.cast(Go(careful))
        await anyio.wait_all_tasks_blocked()
        await system.stop_child("it")
    assert log == ["worker starts", "tools put away", "worker stops: Shutdown"]


async def test_a_job_that_never_began_leaves_nothing() -> None:
    """A job started in the actor's last turn is closed, without a warning about what was never awaited."""

    class Hasty(Worker):
        @on(Go)
        def go(self, message: Go) -> None:
            super().go(message)
            self.stop()

    async with System() as system:
        ref = await system.start(temporary(Hasty))
        ref.cast(Go(dig))
        await system.join(ref)
        assert anyio.current_time() < 1


async def test_an_actor_may_run_a_job_while_it_cleans_up_after_a_crash_of_another() -> None:
    """One failing job takes the others along, and the first cause stands."""

    class Pair(Worker):
        async def stopped(self, exit: Exit) -> None:
            self.log.append(f"stopped after {exit}")

    log: list[str] = []
    async with System() as system:
        ref = await system.start(temporary(lambda: Pair(log)))
        ref.cast(Go(dig))
        ref.cast(Go(fail))
        await system.join(ref)
    assert log[1:] == ["stopped after Crashed(LookupError('hit a rock') on digging)"]
