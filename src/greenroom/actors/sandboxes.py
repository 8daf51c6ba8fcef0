"""The sandboxes of an engine: closes those whose owner ended without doing so, whatever ended it."""

from __future__ import annotations

import anyio
import structlog
from msgspec import Struct

from greenroom.actors.leasing import release
from greenroom.actors.stage import SandboxLeased, Stage
from greenroom.kernel import Actor, Down, Exit, Ref, on
from greenroom.sandboxes.base import SandboxError

_log = structlog.get_logger(__name__)
_CLOSE_SECONDS = 30.0


class SandboxesView(Struct, frozen=True):
    """What an observer sees."""

    live: int
    reaped: int
    """Closed here because their owner was killed, or did not manage to."""


class Sandboxes(Actor):
    """The reaper. Leases are the stage's data, so that its own restart forgets none."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.reaped = 0

    async def started(self) -> None:
        for owner in self.stage.leases:
            self.monitor(owner)

    async def stopped(self, exit: Exit) -> None:
        for owner in list(self.stage.leases):
            if not owner.alive:
                await self._close(owner)

    def observe(self) -> SandboxesView:
        return SandboxesView(len(self.stage.leases), self.reaped)

    @on(SandboxLeased)
    def leased(self, message: SandboxLeased) -> None:
        self.monitor(message.owner)

    @on(Down)
    def owner_gone(self, down: Down) -> None:
        if down.ref in self.stage.leases:
            self.run(self._close(down.ref), name="close")

    async def _close(self, owner: Ref) -> None:
        sandbox = self.stage.leases.get(owner)
        if sandbox is None:
            self.stage.leases.pop(owner, None)
            return
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
            try:
                await sandbox.close()
                release(self.stage, sandbox.id)
            except SandboxError as error:
                _log.warning("sandbox_not_closed", sandbox=sandbox.id, error=str(error))
        if scope.cancelled_caught:
            _log.warning("sandbox_not_closed", sandbox=sandbox.id, error="closing took too long")
        self.stage.leases.pop(owner, None)
        self.reaped += 1
