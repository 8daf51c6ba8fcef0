from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from msgspec import Struct

from greenroom.kernel import Crashed, Exit, Normal, System, on
from greenroom.kernel._job import Job
from tests.kernel.players import Heard, Leave, Player, Say, temporary

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


async def test_a_cancelled_job_that_takes_no_notice_says_nothing_either() -> None:
    """What it finishes all the same is not sent: its actor has said that it does not want it."""

    async def deaf() -> str:
        found: list[str] = []
        with anyio.CancelScope(shield=True):
            found.append(await dig())
        return found[0]

    async with System() as system:
        ref = await system.start(temporary(Worker))
        ref.cast(Go(deaf))
        await anyio.sleep(1)
        ref.cast(CancelIt())
        await anyio.sleep(20)
        assert (await ref.call(Heard()), system.dead_letters) == ([], 0)


async def test_a_job_begun_by_a_job_that_is_cancelled_is_cancelled_too() -> None:
    """However late a job begins, it does not hold up the end of its actor."""
    worker = Worker()

    async def last_wish() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            worker.run(dig())

    async with System() as system:
        await system.start(temporary(lambda: worker))
        worker.ref.cast(Go(last_wish))
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        await system.stop_child("it")
        assert anyio.current_time() == began


async def test_an_actor_that_leaves_has_time_to_end_its_jobs() -> None:
    """``brutal`` is how its supervisor ends it; who ends by itself ends as it said, its jobs being cancelled before."""
    async with System() as system:
        ref = await system.start(temporary(Worker, shutdown="brutal"))
        ref.cast(Go(dig))
        await anyio.wait_all_tasks_blocked()
        ref.cast(Leave())
        assert await system.join(ref) == Normal()


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
