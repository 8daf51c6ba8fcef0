"""Makes a booted sandbox what a task says it is: files, health, set-up commands, in this order, one after the other.

Used for the agent's sandbox before the agent, and for a verifier's own.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from greenroom.actors._boundary import Failure, failure
from greenroom.actors.commands import Shell
from greenroom.actors.health import await_health, healthy
from greenroom.actors.policy import Cause
from greenroom.actors.uploads import NotPut, put, put_texts
from greenroom.messages import CommandResult
from greenroom.specs import Environment, Solution, TaskSpec

Record = Callable[[CommandResult], None]
"""Told of every command as it ends."""


class Preparation(Struct, frozen=True, kw_only=True, eq=False):
    """What is to be done, and who hears of it."""

    shell: Shell
    record: Record
    environment: Environment | None
    cause: Cause
    """What a failure is."""
    within: str
    """How long all set-up commands may take, in words."""

    async def prepare(self, task: TaskSpec) -> Failure | None:
        """Do all of it; nothing that failed is followed by anything. Raises `SandboxError`."""
        return (await self.furnish(task)) or (await self.check()) or (await self.set_up(task))

    async def furnish(self, task: TaskSpec) -> Failure | None:
        """Files."""
        try:
            await put_texts(self.shell.sandbox, task.files)
            await put(self.shell.sandbox, task.uploads)
        except NotPut as error:
            return self._failure(str(error), "files_not_written", error.detail)
        return None

    async def check(self) -> Failure | None:
        """The healthcheck, if there is one."""
        check = self.environment.healthcheck if self.environment else None
        if check is None:
            return None
        result = await await_health(self.shell, check)
        self.record(result)
        if healthy(result):
            return None
        text = f"the sandbox did not become healthy: {_how(result, 'took too long')}: {result.command}"
        return self._failure(text, "healthcheck_failed", result.output)

    async def set_up(self, task: TaskSpec) -> Failure | None:
        """The set-up commands; the first that fails is the last."""
        late = f"took too long: there were {self.within}"
        for command in task.setup:
            result = await self.shell.run(command)
            self.record(result)
            if result.exit_code != 0 or result.timed_out:
                return self._failure(f"set-up command {_how(result, late)}: {command}", "", result.output)
        return None

    async def bring(self, solution: Solution | None) -> Failure | None:
        """How the task is solved, for agents that solve it so. Raises `SandboxError`."""
        if solution is None:
            return self._failure("the task has no solution", "no_solution", "")
        try:
            await put_texts(self.shell.sandbox, solution.files)
            await put(self.shell.sandbox, solution.uploads)
        except NotPut as error:
            return self._failure(str(error), "files_not_written", error.detail)
        return None

    def _failure(self, message: str, kind: str, detail: str) -> Failure:
        return failure(self.cause, message, self.shell.phase, kind=kind, detail=detail)


def _how(result: CommandResult, late: str) -> str:
    return late if result.timed_out else f"ended with exit code {result.exit_code}"
