"""Healthchecks, in virtual time: what counts as a failure, and how long one is waited for."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from greenroom.actors.commands import Shell
from greenroom.actors.health import await_health, healthy
from greenroom.sandboxes import Exec, ExecResult, Sandbox
from greenroom.specs import Healthcheck

pytestmark = pytest.mark.anyio


class Machine:
    """As much of a sandbox as a healthcheck sees: it answers the check from a second on with 0, and takes its time."""

    workdir = "/"

    def __init__(self, ready: float, takes: float = 0.0) -> None:
        self.ready = anyio.current_time() + ready
        self.takes = takes
        self.asked = 0

    async def exec(self, program: Exec, *, timeout: float, limit: int = 0) -> ExecResult:
        """Run the check."""
        del program, limit
        self.asked += 1
        await anyio.sleep(min(self.takes, timeout))
        code = 0 if anyio.current_time() >= self.ready else 1
        late = self.takes > timeout
        return ExecResult(exit_code=-9 if late else code, output=b"", truncated=False, timed_out=late, seconds=0.0)


async def ask(machine: Machine, budget: float = 1000.0, **fields: Any) -> tuple[bool, int, float]:  # noqa: ANN401 - fields of all types
    """Whether it is healthy, how often it was asked, and after how many seconds this was known."""
    began = anyio.current_time()
    shell = Shell(cast("Sandbox", machine), "setup", began + budget)
    result = await await_health(shell, Healthcheck(command="x", **fields))
    return healthy(result), machine.asked, anyio.current_time() - began


async def test_the_first_yes_is_enough() -> None:
    """A sandbox that is ready is asked once."""
    assert await ask(Machine(0)) == (True, 1, 0)


async def test_so_many_failures_in_a_row_are_too_many() -> None:
    """After ``retries`` failures, an interval apart, the sandbox counts as ill."""
    assert await ask(Machine(1e9), interval=10, retries=3) == (False, 3, 20)
    assert await ask(Machine(15), interval=10, retries=3) == (True, 3, 20)


async def test_the_start_is_free() -> None:
    """Failures within the start period do not count, and come at its own interval."""
    assert await ask(Machine(1e9), start_period=10, start_interval=4, interval=1, retries=2) == (False, 5, 13)
    assert await ask(Machine(8), start_period=10, start_interval=4, retries=1) == (True, 3, 8)


async def test_a_check_that_hangs_is_a_failure() -> None:
    """A try has its own time; what does not end within it says no."""
    assert await ask(Machine(0, takes=60), timeout=5, interval=1, retries=2) == (False, 2, 11)


async def test_the_budget_of_set_up_ends_all_waiting() -> None:
    """However patient the check is, set-up has its budget."""
    healthy, _, seconds = await ask(Machine(1e9), budget=33, start_period=1e6, start_interval=5)
    assert (healthy, seconds) == (False, 33)
