"""The life of one container: what became of it, learnt from events and, where those fail, from asking."""

from __future__ import annotations

import asyncio

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.docker import keeper


class Life:
    """Resolves once when a container dies, and once when nothing is left of it."""

    def __init__(self, sandbox: str) -> None:
        loop = asyncio.get_running_loop()
        self.sandbox = sandbox
        self.dead: asyncio.Future[SandboxError] = loop.create_future()
        """Why it is of no use any more."""
        self.gone: asyncio.Future[None] = loop.create_future()
        """Its removal is complete."""
        self.oom = False
        """The kernel has killed something in it for want of memory."""

    def end(self, error: SandboxError) -> None:
        """It is of no use from now on. The first reason stands."""
        if not self.dead.done():
            self.dead.set_result(error)

    def died(self, code: int) -> None:
        """Its first program ended with this exit code."""
        self.end(self._death(code))

    def ran_out_of_memory(self) -> None:
        """The kernel killed something in it."""
        self.oom = True

    def removed(self) -> None:
        """Nothing of it is left. A death that was not heard of has come before that."""
        self.end(SandboxError("sandbox_lost", f"sandbox {self.sandbox} is gone", "removed while nobody listened"))
        if not self.gone.done():
            self.gone.set_result(None)

    async def death(self, seconds: float) -> SandboxError | None:
        """Why it died, if that is known within so many seconds."""
        await asyncio.wait({self.dead}, timeout=seconds)
        return self.dead.result() if self.dead.done() else None

    def _death(self, code: int) -> SandboxError:
        name = f"sandbox {self.sandbox}"
        if self.oom and code == keeper.KILLED:
            return SandboxError("sandbox_oom", f"{name} ran out of memory and was killed")
        match code:
            case keeper.EXPIRED:
                return SandboxError("sandbox_expired", f"{name} reached the end of its time")
            case keeper.DESERTED:
                return SandboxError("sandbox_deserted", f"{name} heard nothing of its engine for too long")
            case keeper.KILLED:
                return SandboxError("sandbox_killed", f"{name} was killed from outside")
            case keeper.STOPPED:
                return SandboxError("sandbox_stopped", f"{name} was stopped by its Docker engine, or by hand")
            case _:
                return SandboxError("sandbox_lost", f"{name} has died (exit status {code})")
