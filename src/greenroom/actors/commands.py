"""A task's shell commands, run in a sandbox."""

from __future__ import annotations

import math
from collections.abc import Mapping

import anyio
from msgspec import Struct

from greenroom.messages import CommandResult, Phase
from greenroom.sandboxes.base import Exec, Sandbox

_SHELL = ("/bin/sh", "-c")


class Shell(Struct, frozen=True, eq=False):
    """Runs commands of one phase one after the other, all of them within one budget."""

    sandbox: Sandbox
    phase: Phase
    ends: float
    """When the budget is used up, on the event loop's clock."""
    env: Mapping[str, str] = {}
    user: str | None = None
    """Who runs them; ``None``: the sandbox's usual user."""

    @property
    def left(self) -> float:
        """Seconds of the budget."""
        return max(0.0, self.ends - anyio.current_time())

    async def run(self, command: str, *, timeout: float = math.inf) -> CommandResult:
        """Run one, for ``timeout`` seconds at most.

        If it finds the budget used up, it is killed as soon as it begins.
        """
        program = Exec(argv=(*_SHELL, command), env=dict(self.env), cwd=self.sandbox.workdir, user=self.user)
        result = await self.sandbox.exec(program, timeout=min(timeout, self.left))
        return CommandResult(
            command=command,
            phase=self.phase,
            exit_code=result.exit_code,
            output=result.output.decode("utf-8", "replace"),
            truncated=result.truncated,
            timed_out=result.timed_out,
            seconds=result.seconds,
        )
