"""Waits until a sandbox is ready, by the task's own healthcheck."""

from __future__ import annotations

import anyio

from greenroom.actors.commands import Shell
from greenroom.messages import CommandResult
from greenroom.specs import Healthcheck


async def await_health(shell: Shell, check: Healthcheck) -> CommandResult:
    """Run the check as often as it says, within the shell's budget; the last of its results.

    The sandbox is ready if that has exit code 0. How often to ask, and how often it may say no, is the task's to say.
    """
    began = anyio.current_time()
    failures = 0
    while True:
        result = await shell.run(check.command, timeout=check.timeout)
        starting = anyio.current_time() - began < check.start_period
        failures = 0 if starting else failures + 1
        if healthy(result) or failures >= check.retries or not shell.left:
            return result
        await anyio.sleep(min(shell.left, check.start_interval if starting else check.interval))


def healthy(result: CommandResult) -> bool:
    """Whether the sandbox is ready."""
    return result.exit_code == 0 and not result.timed_out
